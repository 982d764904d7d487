"""Asking something that may block (psutil, a file system), without blocking the loop and without piling up.

One question at a time, each in a daemon thread: one that hangs for ever (a dead network file system) keeps nobody from
ending the process, and the next is not asked before it has come back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Unanswered(Exception):
    """The question before has not come back."""


class Errand:
    """One at a time. Used on one loop only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._under_way: asyncio.Future[Any] | None = None

    async def ask(self, question: Callable[[], T]) -> T:
        """What `question` answers, or raises. Raises Unanswered while an earlier one, given up on, still blocks."""
        if self._under_way is not None and not self._under_way.done():
            raise Unanswered
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()
        answered.add_done_callback(_heard)
        self._under_way = answered
        threading.Thread(target=_run, args=(question, loop, answered), name=self._name, daemon=True).start()
        return await asyncio.shield(answered)


def _heard(answered: asyncio.Future[Any]) -> None:
    """A failure that comes when its asker has given up is nobody's any more."""
    if not answered.cancelled():
        answered.exception()


def _run(question: Callable[[], T], loop: asyncio.AbstractEventLoop, answered: asyncio.Future[T]) -> None:
    """What goes wrong is the asker's to deal with: it is handed over, whatever it is."""
    try:
        answer = question()
    except BaseException as error:  # noqa: BLE001
        _hand_over(loop, answered.set_exception, error)
    else:
        _hand_over(loop, answered.set_result, answer)


def _hand_over(loop: asyncio.AbstractEventLoop, way: Callable[[Any], None], what: object) -> None:
    try:
        loop.call_soon_threadsafe(way, what)
    except RuntimeError:  # the loop has been closed meanwhile: nobody asks any more
        return
