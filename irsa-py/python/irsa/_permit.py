"""The permissions that a change takes to `irsa._irsa.Core`."""

from __future__ import annotations


class Permit:
    """What a change may touch."""

    __slots__ = ("adopt", "create_namespace", "create_provider", "force")

    def __init__(self, adopt: bool, force: bool, create_namespace: bool, create_provider: bool) -> None:
        self.adopt = adopt
        self.force = force
        self.create_namespace = create_namespace
        self.create_provider = create_provider
