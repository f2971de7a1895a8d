"""Calls other people's code on threads of Python's own.

While it runs, no frame but Python's is on its stack, so that the interpreter may end meanwhile.
"""

from __future__ import annotations

from _thread import start_new_thread

TYPE_CHECKING = False  # what `typing` has, without the time that importing it takes
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    _Deliver = Callable[[Any, BaseException | None], None]


def start(function: Callable[..., Any], keywords: dict[str, Any], deliver: _Deliver, context: Context | None) -> None:
    """Starts `function(**keywords)` in a context; `deliver` gets what it returns, or what it raises."""
    if context is None:
        start_new_thread(_call, (function, keywords, deliver))
    else:
        # A context is entered by one thread at a time.
        start_new_thread(context.copy().run, (_call, function, keywords, deliver))


def _call(function: Callable[..., Any], keywords: dict[str, Any], deliver: _Deliver) -> None:
    try:
        answer = function(**keywords)
    except BaseException as error:
        deliver(None, error)
    else:
        deliver(answer, None)


def credentials(session: Any) -> Any:
    """The credentials of a boto3 session as they are now, refreshed where that is due; None if it has none."""
    found = session.get_credentials()
    return None if found is None else found.get_frozen_credentials()
