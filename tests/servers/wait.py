"""Waiting for a fact with a deadline, the only way in which a test waits."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.01
_PATIENCE = 3.0  # a limit is for a machine that has time: one that runs other tests too needs longer, and no test less


def eventually(condition: Callable[[], T], within_s: float, what: str) -> T:
    """The first true value of `condition`, asked every 10 ms. `within_s`: seconds, for a machine that has time.

    AssertionError when there was none in time: it names `what` and the last value.
    What `condition` raises is not swallowed: a condition that may fail says so with a false value.
    """
    within_s *= _PATIENCE
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_too_late(what, within_s, value))
        time.sleep(_POLL_S)


async def eventually_async(condition: Callable[[], T], within_s: float, what: str) -> T:
    """`eventually` for a test that runs in the event loop under test, which goes on meanwhile."""
    within_s *= _PATIENCE
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_too_late(what, within_s, value))
        await asyncio.sleep(_POLL_S)


def _too_late(what: str, within_s: float, value: object) -> str:
    return f"not within {within_s:g} s: {what}; last value: {value!r}"
