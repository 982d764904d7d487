"""Notices of change in folders, by inotify: at once, and also when a process that held a file open has died.

inotify is not in the standard library; where it cannot be had, the caller's poll is all there is.
Deliberately unknown here: what the files are.
"""

from __future__ import annotations

import ctypes
import os
import select
from collections.abc import Sequence
from pathlib import Path

_CLOSED_AFTER_WRITING, _MOVED_TO, _DELETED = 0x8, 0x80, 0x200
_CHANGES = _CLOSED_AFTER_WRITING | _MOVED_TO | _DELETED
_READ_AT_ONCE = 65_536
_POLL_WITH_S, _POLL_WITHOUT_S = 1.0, 0.1


class Notices:
    """Waits for a change in the folders, or for `ring`, whichever is first."""

    def __init__(self) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._inotify: int | None = None
        self._poller = select.poll()
        self._poller.register(self._bell, select.POLLIN)

    def watch(self, folders: Sequence[Path]) -> None:
        """Watch these folders from now on; once."""
        if self._inotify is None:
            self._inotify = _watch(folders)
            if self._inotify is not None:
                self._poller.register(self._inotify, select.POLLIN)

    @property
    def poll_s(self) -> float:
        """How long to wait for a notice before looking without one."""
        return _POLL_WITHOUT_S if self._inotify is None else _POLL_WITH_S

    def ring(self) -> None:
        """End the wait, from any thread."""
        os.eventfd_write(self._bell, 1)

    def wait(self, at_most_s: float) -> bool:
        """Return at a change, a ring, or after that time; whether it was a change."""
        changed = False
        for descriptor, _ in self._poller.poll(at_most_s * 1000):
            changed = changed or descriptor == self._inotify
            try:
                os.read(descriptor, 8 if descriptor == self._bell else _READ_AT_ONCE)
            except BlockingIOError:
                continue  # nothing is there any more
        return changed

    def close(self) -> None:
        """Give the descriptors back; `ring` and `wait` must not be called any more."""
        os.close(self._bell)
        if self._inotify is not None:
            os.close(self._inotify)


def _watch(folders: Sequence[Path]) -> int | None:
    library = ctypes.CDLL(None, use_errno=True)
    descriptor: int = library.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        return None  # the kernel's limit of instances is reached
    for folder in folders:
        if library.inotify_add_watch(descriptor, os.fsencode(folder), _CHANGES) < 0:
            os.close(descriptor)
            return None
    return descriptor
