"""What is known of a service's process tree, so that its main process's end can be told from the service's.

Looked at when the main process is checked, never when it ends: at that moment its children have other parents
already. Each descendant is held by a pidfd, for numbers are recycled. A worker that was forked after the last look
and outlives its parent is not known here.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Iterable

from healthcheck.descent import TreeUnknown, descendants

MOST_KNOWN = 256
MOST_NAMED = 8
REST_PER_LOOK = 500
"""A look that took a millisecond is not repeated for half a second: looking takes at most 0.2 % of a core."""
LONG_LOOK_S = 0.005
"""Looks that take longer than this are left to a thread."""


class Tree:
    """The descendants of the main processes, as of the last look. `doubt`: why they are not all known, or ""."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._ended: Callable[[], None] | None = None
        self._took_s = 0.0
        self._next_s = 0.0
        self.doubt = "never looked at"

    async def look(self, roots: Iterable[int]) -> None:
        """Find who has come and who has gone. Those whose parents have ended stay known."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began < self._next_s:
            return
        above = {*roots, *self._held}
        try:
            if self._took_s > LONG_LOOK_S:
                found = await asyncio.to_thread(descendants, above, MOST_KNOWN)
            else:
                found = descendants(above, MOST_KNOWN)
            self.left()
            for pid in found - set(roots):
                self.hold(pid)
            self.doubt = ""
        except TreeUnknown as unknown:
            self.doubt = str(unknown)
        except OSError as error:  # no descriptor to be had, say
            self.doubt = error.strerror or str(error)
        self._took_s = loop.time() - began
        self._next_s = began + self._took_s * REST_PER_LOOK

    def look_soon(self) -> None:
        """The next look is due at once: there is another main process."""
        self._next_s = 0.0

    def hold(self, pid: int) -> None:
        """Count this one in until it has ended. Raises OSError where no descriptor can be had."""
        if pid in self._held:
            return
        if len(self._held) >= MOST_KNOWN:
            self.doubt = f"more than {MOST_KNOWN} processes"
            return
        try:
            self._held[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        if self._ended is not None:
            asyncio.get_running_loop().add_reader(self._held[pid], self._one_ended)

    def holds(self, pid: int) -> bool:
        """Whether it is known as a descendant."""
        return pid in self._held

    def left(self) -> list[int]:
        """Those that live; one question to the kernel for all of them. A zombie has ended."""
        if not self._held:
            return []
        by_descriptor = {descriptor: pid for pid, descriptor in self._held.items()}
        poll = select.poll()
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(0):
            self._drop(by_descriptor[descriptor])
        return sorted(self._held)

    def tell_ends(self, ended: Callable[[], None]) -> None:
        """From now on `ended` is called on the loop whenever one of them has ended."""
        if self._ended is None:
            self._ended = ended
            for descriptor in self._held.values():
                asyncio.get_running_loop().add_reader(descriptor, self._one_ended)

    def keep_quiet(self) -> None:
        """Tell ends no more: there is a main process again, and its workers come and go."""
        if self._ended is not None:
            for descriptor in self._held.values():
                asyncio.get_running_loop().remove_reader(descriptor)
            self._ended = None

    def forget(self) -> None:
        """Know nobody any more."""
        for pid in list(self._held):
            self._drop(pid)
        self._ended = None
        self._next_s = 0.0
        self.doubt = "never looked at"

    def _one_ended(self) -> None:
        if self._ended is not None:
            self._ended()

    def _drop(self, pid: int) -> None:
        descriptor = self._held.pop(pid)
        if self._ended is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def in_words(left: list[int]) -> str:
    """How many are left, and which: `2 processes of its tree are left (pid 7, 9)`."""
    named = ", ".join(map(str, left[:MOST_NAMED])) + (", …" if len(left) > MOST_NAMED else "")
    many = f"{len(left)} processes of its tree are" if len(left) > 1 else "1 process of its tree is"
    return f"{many} left (pid {named})"
