"""Arguments that go to `irsa._irsa.Core` together."""

from __future__ import annotations


class Permit:
    """What a change may touch."""

    __slots__ = ("adopt", "create_namespace", "create_provider", "force")

    def __init__(self, adopt: bool, force: bool, create_namespace: bool, create_provider: bool) -> None:
        self.adopt = adopt
        self.force = force
        self.create_namespace = create_namespace
        self.create_provider = create_provider


class Batch:
    """How many bindings are worked on."""

    __slots__ = ("apply", "applyset", "concurrency", "confirm_prune", "dry_run", "prune", "writes_per_second")

    def __init__(
        self,
        concurrency: int,
        writes_per_second: float,
        applyset: str | None,
        apply: bool,
        prune: bool,
        confirm_prune: bool,
        dry_run: bool,
    ) -> None:
        self.concurrency = concurrency
        self.writes_per_second = writes_per_second
        self.applyset = applyset
        self.apply = apply
        self.prune = prune
        self.confirm_prune = confirm_prune
        self.dry_run = dry_run
