"""What goes wrong in a sandbox, for tests of failures."""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` has, without the time that importing it takes
if TYPE_CHECKING:
    from irsa._irsa import SandboxFaults


class Faults:
    """The faults of a sandbox: calls to AWS or to the API server that fail, are throttled, hang or take long.

    A fault concerns the calls of one method of the sandbox, such as `create_role`, `attach_policy`,
    `update_trust_policy`, `role`, `apply_service_account` or `service_account`, or the calls of any method. The logger
    `irsa` shows them at DEBUG. Calls are counted from 1, from the moment the fault is set.

    >>> import irsa
    >>> client = irsa.Client.sandbox()
    >>> client.faults.fail("attach_policy", code="AccessDenied", message="an SCP denies it")
    >>> try:
    ...     client.apply(irsa.Binding("default", "worker", policies=["AmazonS3ReadOnlyAccess"]))
    ... except irsa.AccessDeniedError as error:
    ...     print([step.outcome for step in error.report.steps if step.action == "create_role"])
    ['rolled_back']
    """

    __slots__ = ("_core",)

    def __init__(self, core: SandboxFaults) -> None:
        self._core = core

    def fail(
        self,
        method: str | None = None,
        *,
        at: int = 1,
        times: int | None = 1,
        writes: bool = False,
        code: str = "ServiceFailure",
        message: str = "the service failed",
        after: bool = False,
    ) -> None:
        """Makes calls fail as the service would.

        Args:
            method: the method whose calls fail; by default those of any method.
            at: the first call that fails, counted from 1.
            times: the number of calls that fail; None for every one from `at` on.
            writes: count only calls that can change something; not together with `method`.
            code: the error code, such as `AccessDenied`, `LimitExceeded`, `NoSuchEntity` or `ConcurrentModification`.
            message: the message of the service.
            after: let the call take effect before it fails: its answer is lost.

        Raises:
            InvalidInputError: there is no such method (the hint names the nearest ones), or `at` or `times` is 0.
        """
        self._core.fail((method, at, times, writes), code, message, after)

    def throttle(self, method: str | None = None, *, at: int = 1, times: int | None = 1, writes: bool = False) -> None:
        """Makes calls fail as throttled, as if all retries were used up.

        Args:
            method, at, times, writes: which calls, as for `fail`.

        Raises:
            InvalidInputError: as for `fail`.
        """
        self._core.fail((method, at, times, writes), "Throttling", "Rate exceeded", False)

    def hang(self, method: str | None = None, *, at: int = 1, times: int | None = 1, writes: bool = False) -> None:
        """Makes calls never return: what waits for them runs into its timeout. They have no effect.

        Args:
            method, at, times, writes: which calls, as for `fail`.

        Raises:
            InvalidInputError: as for `fail`.
        """
        self._core.hang((method, at, times, writes))

    def delay(
        self,
        seconds: float,
        method: str | None = None,
        *,
        at: int = 1,
        times: int | None = 1,
        writes: bool = False,
    ) -> None:
        """Makes calls take longer.

        Args:
            seconds: how much longer.
            method, at, times, writes: which calls, as for `fail`.

        Raises:
            InvalidInputError: as for `fail`, or `seconds` is negative.
        """
        self._core.delay((method, at, times, writes), seconds)

    def clear(self) -> None:
        """Removes all faults."""
        self._core.clear()

    @property
    def unused(self) -> tuple[str, ...]:
        """The faults that no call has met yet: a test that sets one for a call that is not made proves nothing."""
        return tuple(self._core.unused)

    def __repr__(self) -> str:
        return f"<irsa.Faults unused={self.unused!r}>"


Faults.__module__ = "irsa"
