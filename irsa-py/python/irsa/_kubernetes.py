"""API servers for `Client(kubernetes=...)`: requests through an `ApiClient`, and a fake in memory."""

from __future__ import annotations

from irsa._faults import Faults
from irsa._irsa import FakeCluster

TYPE_CHECKING = False  # what `typing` has, without the time that importing it takes
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_TIMEOUT = 30
"""The longest time of one request in seconds, as for requests that irsa sends itself."""


def request(
    client: Any, method: str, target: str, headers: dict[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Sends a request by the connection pool of an `ApiClient`; returns status, headers and body of the answer.

    `call_api` is not used: it has two signatures by the version of the package, and reads bodies in its own way.
    """
    configuration = client.configuration
    sent = {**client.default_headers, **headers}
    for setting in configuration.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            sent[setting["key"]] = setting["value"]
    answer = client.rest_client.pool_manager.request(
        method,
        configuration.host.rstrip("/") + target,
        body=body or None,
        headers=sent,
        timeout=_TIMEOUT,
        # irsa decides itself what is tried again.
        retries=False,
    )
    return answer.status, list(answer.headers.items()), answer.data


class FakeKubernetes:
    """A fake API server in memory, for `Client(kubernetes=...)` in tests: namespaces and service accounts.

    It applies, patches and deletes service accounts as a real API server does, with field managers and their conflicts,
    missing namespaces and RBAC. It is taken for the API server of whatever cluster the client is of.

    >>> import irsa
    >>> cluster = irsa.FakeKubernetes(["jobs"])
    >>> cluster.create_service_account("jobs", "worker", annotations={"team": "data"}, manager="helm")
    >>> cluster.service_account("jobs", "worker")["metadata"]["annotations"]
    {'team': 'data'}

    Args:
        namespaces: the namespaces that it has besides `default` and `kube-system`.

    Raises:
        InvalidInputError: a name cannot be that of a namespace.
    """

    __slots__ = ("__weakref__", "_core", "_faults")

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        self._core = FakeCluster(namespaces)
        self._faults = Faults(self._core.faults)

    @property
    def faults(self) -> Faults:
        """What goes wrong in it."""
        return self._faults

    def create_service_account(
        self,
        namespace: str,
        name: str,
        *,
        annotations: Mapping[str, str] | None = None,
        manager: str = "kubectl-create",
    ) -> None:
        """Creates a service account, or sets annotations of one that exists, as another tool would.

        Args:
            namespace, name: the service account; a namespace that is missing is created.
            annotations: the annotations that it gets.
            manager: the field manager that owns them.

        Raises:
            InvalidInputError: a name cannot be that of a namespace or service account.
        """
        self._core.create_service_account(namespace, name, dict(annotations or {}), manager)

    def service_account(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Returns a service account as the API has it, with `metadata.annotations`; None if there is none.

        Args:
            namespace, name: the service account.
        """
        return self._core.service_account(namespace, name)

    def deny(self, verb: str, resource: str) -> None:
        """Denies a verb everywhere, as if RBAC did not allow it.

        Args:
            verb: `get`, `list`, `create`, `patch` or `delete`; `*` for all of them.
            resource: `serviceaccounts`, `namespaces` or `configmaps`.
        """
        self._core.deny(verb, resource)


FakeKubernetes.__module__ = "irsa"
