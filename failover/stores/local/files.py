"""Files as records: written whole or not at all, with a version; and flock, which the kernel undoes at a process's end.

Deliberately unknown here: what the records and locks stand for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

MUTEX_WAIT_S = 1.0
_POLL_S = 0.001
_MODE = 0o600


class BusyError(OSError):
    """Another process holds the mutex for too long: it is frozen, most likely."""


class FlockFile:
    """A lock file, opened close-on-exec, never renamed nor unlinked. Closing it frees the lock."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)

    def try_to_hold(self) -> bool:
        """Take it exclusively, if nobody holds it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let it go, and keep the file open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock file. Only under the mutex: the look itself holds it for an instant."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class Mutex:
    """One transaction at a time, on this host. Raises BusyError after MUTEX_WAIT_S seconds.

    Once that has happened it waits no longer, until it was free again: questions fail fast meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wait_s = MUTEX_WAIT_S

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            self._wait(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self._wait_s = _POLL_S
                    raise BusyError(f"{self._path} is held by a process that does not let go") from None
                time.sleep(_POLL_S)
            else:
                self._wait_s = MUTEX_WAIT_S
                return


def write_record(path: Path, data: bytes, version: int = 0, *, durable: bool = False) -> None:
    """Replace the record, under the mutex; `durable`: on the disk when this returns. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        _write_all(descriptor, b"%d\n" % version + data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(fresh, path)
    if durable:
        _sync_folder(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_record(path: Path) -> tuple[bytes, int] | None:
    """The record's bytes and version; None where there is none. A file without a version has version 0."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    head, newline, data = content.partition(b"\n")
    if not newline or not head.isdigit() or len(head) > 18:
        return content, 0
    return data, int(head)
