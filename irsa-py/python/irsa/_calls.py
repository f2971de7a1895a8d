"""Waits for calls and awaits them, and passes on what they report: progress, and events for the logger `irsa`.

All of it is Python: a thread that comes back to an ending interpreter out of compiled code is ended where it stands.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # what `typing` has, without the time that importing it takes
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from irsa._irsa import Call, Progress

    _T = TypeVar("_T")
    _Report = Callable[[Progress], object]
    _Event = tuple[int, str, dict[str, Any]]


def wait(call: Call[_T]) -> _T:
    """Makes a call and waits for its end; other threads go on, and Ctrl-C cuts it off."""
    try:
        kind, value = call.step()
        while kind != "end":
            _pass_on(kind, value, call.progress)
            kind, value = call.step()
    finally:
        call.cut()
    result: _T = value
    return result


async def future(call: Call[_T]) -> _T:
    """Makes a call and awaits its end; cancelling cuts it off."""
    return await call.future()


def hand_over(delivery: Any, awaited: Any, progress: _Report | None) -> None:
    """Takes what an awaited call reports, on the thread of the event loop: its end completes the future.

    What `progress` raises completes it too.
    """
    if awaited.done():
        return
    try:
        kind, value = delivery.take()
        if kind != "end":
            _pass_on(kind, value, progress)
            return
    except StopIteration as error:
        # It would end whoever awaits.
        raised = RuntimeError("progress raised StopIteration")
        raised.__cause__ = error
        awaited.set_exception(raised)
    except BaseException as error:
        awaited.set_exception(error)
    else:
        awaited.set_result(value)


def level() -> int:
    """The lowest level of `logging` that the logger `irsa` takes of what irsa logs; 0 where that is nothing."""
    # A program that has not imported `logging` has nothing to log with, and importing it takes time.
    logging = sys.modules.get("logging")
    # Another thread may be importing it right now.
    if getattr(logging, "NullHandler", None) is None or not hasattr(logging, "getLogger"):
        return 0
    logger = logging.getLogger("irsa")  # type: ignore[union-attr]
    if not logger.handlers:
        # As libraries do: a program that configures no logging gets nothing on its standard error.
        logger.addHandler(logging.NullHandler())  # type: ignore[union-attr]
    return next((number for number in (10, 20, 30) if logger.isEnabledFor(number)), 0)


def _pass_on(kind: str, value: Any, progress: _Report | None) -> None:
    if kind == "event":
        _log(*value)
    elif progress is not None:
        progress(value)


def _log(level: int, message: str, fields: dict[str, Any]) -> None:
    import logging

    logger = logging.getLogger("irsa")
    if not logger.isEnabledFor(level):
        return
    text = " ".join([message, *(f"{name}={value}" for name, value in fields.items())])
    record = logger.makeRecord(logger.name, level, "irsa", 0, text, (), None, extra={"irsa": fields})
    try:
        logger.handle(record)
    except Exception:
        # A filter that fails must not end the call; a handler that fails is reported in the same way.
        logging.NullHandler().handleError(record)
