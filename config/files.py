"""Reading a file with a limit, never blocking on a pipe.

Knows nothing of YAML, and nothing of who may read what.
"""

import os
import stat
from dataclasses import dataclass

from config.problems import Problem

LARGEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """A regular file's bytes and its permission bits."""

    data: bytes
    mode: int


def read_regular(path: str, largest_bytes: int) -> Content | None:
    """Read up to one byte more than the limit; None for what is no regular file.

    Raises OSError, and ValueError for a path that cannot be one.
    """
    # O_NONBLOCK: a pipe in the file's place must not hang a starting controller.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return Content(file.read(largest_bytes + 1), stat.S_IMODE(status.st_mode))
    finally:
        os.close(descriptor)


def reason_of(error: OSError | ValueError) -> str:
    """Give the system's own words for why a file cannot be read."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


class FileUnusableError(Exception):
    """A file that a section names cannot serve. `hint` says what to do; the text says why.

    `unseen`: it could not be looked at. `dated`: all that is wrong is its time.
    """

    def __init__(self, message: str, hint: str = "", unseen: bool = False, dated: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.unseen = unseen
        self.dated = dated


def read_usable(path: str, how_to_make: str) -> tuple[bytes, int]:
    """The bytes and permission bits of a file that a section names. Raises FileUnusableError."""
    try:
        content = read_regular(path, LARGEST_BYTES)
    except FileNotFoundError:
        raise FileUnusableError(f"{path} does not exist", how_to_make) from None
    except (OSError, ValueError) as error:
        unseen = isinstance(error, PermissionError)
        hint = "run this as the controller's user (root)" if unseen else ""
        raise FileUnusableError(f"cannot read {path}: {reason_of(error)}", hint, unseen) from None
    if content is None:
        raise FileUnusableError(f"{path} is not a regular file")
    return content.data, content.mode


def read_text(path: str) -> str | Problem:
    """Give the text of a file, or why it cannot be had: missing, a folder, not UTF-8, too large."""
    try:
        content = read_regular(path, LARGEST_BYTES)
    except (OSError, ValueError) as error:
        return _at_start(path, f"cannot read the file: {reason_of(error)}", _what_to_do(error))
    if content is None:
        return _at_start(path, "not a regular file", "give the path of a YAML file")
    if len(content.data) > LARGEST_BYTES:
        return _at_start(path, f"the file is larger than {LARGEST_BYTES // 1024} KiB")
    try:
        return content.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content.data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        message = f"not UTF-8 text (byte 0x{content.data[error.start]:02x})"
        return Problem(path, line, column, "", message, "save the file as UTF-8")


def _what_to_do(error: OSError | ValueError) -> str:
    if isinstance(error, PermissionError):
        return "run as the user that the file belongs to, or change its mode"
    if isinstance(error, FileNotFoundError):
        return "check the path"
    return "give the path of a YAML file"


def _at_start(path: str, message: str, hint: str = "") -> Problem:
    return Problem(path, 1, 1, "", message, hint)
