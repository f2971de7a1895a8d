"""The exceptions of irsa. `irsa-py/src/error.rs` maps the kinds of the library's error to them."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False  # what `typing` has, without the time that importing it takes
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict

    from irsa._irsa import Report

    class _Details(TypedDict):
        Code: str
        Message: str

    class _Response(TypedDict):
        Error: _Details


class IrsaError(Exception):
    """What irsa raises: the root of all its exceptions, and itself an answer that the library cannot make sense of.

    `str()` says what was being done and why it failed. What to do about it is in `hint`, which tracebacks show too from
    Python 3.11 on.
    """

    kind: str = "unexpected"
    """What kind of failure it is, such as `"not_found"`: that of the class."""

    code: str | None
    """The error code of the service, such as `"NoSuchEntity"`, where a service answered."""

    hint: str | None
    """What can be done about it."""

    causes: tuple[str, ...]
    """Why it failed, from the nearest cause to the farthest."""

    report: Report | None
    """What had been done when it failed, if anything was begun."""

    def __init__(
        self,
        message: str = "",
        *,
        causes: Sequence[str] = (),
        code: str | None = None,
        hint: str | None = None,
        report: Report | None = None,
    ) -> None:
        super().__init__(message)
        self.causes = tuple(causes)
        self.code = code
        self.hint = hint
        self.report = report
        if hint:
            self.__notes__: list[str] = [f"hint: {hint}"]

    def __str__(self) -> str:
        return ": ".join([*map(str, self.args), *self.causes])

    @property
    def response(self) -> _Response:
        """As botocore's `ClientError` has it; `response["Error"]["Code"]` is `code`, or else the kind in camel case."""
        code = self.code or "".join(word.capitalize() for word in self.kind.split("_"))
        return {"Error": {"Code": code, "Message": str(self)}}


class InvalidInputError(IrsaError, ValueError):
    """The input alone is wrong; nothing was called."""

    kind = "invalid_input"


class NotFoundError(IrsaError):
    """A cluster, provider, policy, namespace or binding that was named does not exist."""

    kind = "not_found"


class AlreadyExistsError(IrsaError):
    """The name is taken by something that belongs to another binding."""

    kind = "already_exists"


class NotOwnedError(IrsaError):
    """The role exists without an owner tag of irsa, and adoption was not asked for."""

    kind = "not_owned"


class ConflictError(IrsaError):
    """Two wishes contradict each other: another field manager, another role's annotation, a writer at the same time."""

    kind = "conflict"


class AccessDeniedError(IrsaError):
    """AWS or the API server refused the call for want of rights or of valid credentials."""

    kind = "access_denied"


class QuotaExceededError(IrsaError):
    """A quota of IAM would be, or was, exceeded."""

    kind = "quota_exceeded"


class ThrottledError(IrsaError):
    """Calls were throttled for longer than the retries go on."""

    kind = "throttled"


class UnavailableError(IrsaError):
    """An endpoint could not be reached, or answered that it cannot serve."""

    kind = "unavailable"


class TimeoutError(IrsaError, builtins.TimeoutError):
    """The deadline passed."""

    kind = "timeout"


class WrongClusterError(IrsaError):
    """The API server is not the one of the cluster that was named."""

    kind = "wrong_cluster"


for _exception in (
    IrsaError,
    InvalidInputError,
    NotFoundError,
    AlreadyExistsError,
    NotOwnedError,
    ConflictError,
    AccessDeniedError,
    QuotaExceededError,
    ThrottledError,
    UnavailableError,
    TimeoutError,
    WrongClusterError,
):
    _exception.__module__ = "irsa"  # where they are imported from, in tracebacks and in pickles
del _exception
