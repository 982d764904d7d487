"""Small files that only their owner may read or write: written whole or not at all, believed only if nobody else could.

No fsync: they are for tmpfs, and mean nothing after a boot. Unknown here: what is in them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

MODE = 0o600


class NotBelieved(Exception):
    """The file is there, and is not to be believed; the text says why."""


def write_private(path: Path, data: bytes, new: Path | None = None) -> None:
    """Replace the file (mode 0600). Raises OSError. `new`: for a file that only one process ever writes."""
    new = new or path.with_name(f".{path.name}.{os.getpid()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    fd = os.open(new, flags, MODE)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        new.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    new.rename(path)


def read_private(path: Path, largest: int) -> bytes | None:
    """The file's bytes; None where there is none. Raises NotBelieved (also for more than `largest` bytes)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotBelieved(f"it cannot be opened: {error.strerror}") from None
    try:
        _look_at_owner(os.fstat(fd))
        with os.fdopen(os.dup(fd), "rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise NotBelieved(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    if len(data) > largest:
        raise NotBelieved(f"it does not hold a record: it is larger than {largest} bytes")
    return data


def _look_at_owner(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise NotBelieved("it is not a file of its own")
    if found.st_uid not in (0, os.geteuid()):
        raise NotBelieved(f"it belongs to user {found.st_uid}, and this controller runs as {os.geteuid()}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise NotBelieved(f"others may read or write it (mode {stat.S_IMODE(found.st_mode):04o}, it must be 0600)")
