"""Hooks that do nothing but knock: each opens a FIFO, and whoever waits at the other end knows when.

The hook is touch(1) itself, no shell: about as small as a process gets. Its knock comes when it closes the FIFO, so
its own start-up is within what is measured. Nothing is written to a file and no file's time is read (those are only
as fine as the kernel's tick).
"""

from __future__ import annotations

import os
import select
import shutil
import time
from pathlib import Path

TOUCH = shutil.which("touch") or "/usr/bin/touch"


class Door:
    """One FIFO. `hook` is the command line that knocks."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._descriptor = self._open()

    @property
    def hook(self) -> list[str]:
        return [TOUCH, str(self._path)]

    @property
    def descriptor(self) -> int:
        return self._descriptor

    def listen(self) -> None:
        """Forget every knock so far."""
        os.close(self._descriptor)
        self._descriptor = self._open()

    def has_knocked(self) -> bool:
        """Whether anybody knocked since `listen`."""
        poller = select.poll()
        poller.register(self._descriptor, 0)
        return bool(poller.poll(0))

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def knocks(doors: list[Door], within_s: float) -> list[float]:
    """The moments (CLOCK_MONOTONIC, seconds) of the first knock at each door, in the order of `doors`.

    Raises TimeoutError when one stays silent.
    """
    poller = select.poll()
    for door in doors:
        poller.register(door.descriptor, 0)  # the end of the last writer is reported unasked
    heard: dict[int, float] = {}
    deadline = time.monotonic() + within_s
    while len(heard) < len(doors):
        ready = poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
        now = time.monotonic()
        if not ready:
            silent = [door.hook[-1] for door in doors if door.descriptor not in heard]
            raise TimeoutError(f"no hook knocked within {within_s:g} s at {', '.join(silent)}")
        for descriptor, _ in ready:
            heard[descriptor] = now
            poller.unregister(descriptor)
    return [heard[door.descriptor] for door in doors]
