"""The watchdog device: the kernel's calls, and nothing of when to make them.

Source: the kernel's Documentation/watchdog/watchdog-api.rst. Opening arms it. Any write feeds it; a `V` written last
before the last holder closes it disarms it, unless the driver has nowayout. A close without `V` feeds it once more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

GETSUPPORT = 0x80285700
SETTIMEOUT = 0xC0045706
GETTIMEOUT = 0x80045707
ALARM_ONLY = 0x0400
MAGIC_CLOSE = 0x0100
_WORDS = {
    errno.ENOENT: "does not exist; load its driver (modprobe softdog, where there is no hardware)",
    errno.EBUSY: "is in use: by systemd (RuntimeWatchdogSec=), watchdog(8), sbd, or the controller of another service?",
    errno.EACCES: "may not be opened by this user",
    errno.ENOTTY: "is not a watchdog",
    errno.EINVAL: "is not a watchdog",
}


class DeviceError(Exception):
    """The device cannot be used; the text says why, its path first."""


@dataclass(frozen=True, slots=True)
class Support:
    """What the driver says of itself."""

    identity: str
    options: int


def open_armed(path: Path) -> Device:
    """Open it, which arms it. Raises DeviceError."""
    try:
        return Device(path, os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        raise _named(path, error) from None


class Device:
    """An open, and so armed, watchdog. Its calls raise DeviceError."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def support(self) -> Support:
        """Ask the driver who it is."""
        options, _, name = struct.unpack("II32s", self._ask(GETSUPPORT, bytearray(40)))
        return Support(name.split(b"\0")[0].decode("ascii", "replace"), options)

    def set_timeout(self, seconds: int) -> int:
        """Ask for a time-out; give the one that the driver has really set, which is the one that counts."""
        with contextlib.suppress(DeviceError):  # not every driver can; what it has is read back
            self._ask(SETTIMEOUT, bytearray(struct.pack("i", seconds)))
        return self.timeout_s()

    def timeout_s(self) -> int:
        """The time-out that is in force."""
        return int(struct.unpack("i", self._ask(GETTIMEOUT, bytearray(4)))[0])

    def feed(self) -> None:
        """By a write, not by the ioctl: a write takes back a `V` that somebody wrote and could not follow up."""
        self._write(b"\0")

    def disarm(self) -> None:
        """The magic close. It counts once every other holder has closed its own, too."""
        self._write(b"V")
        self.close()

    def close(self) -> None:
        """Without a word: if this was the last holder, the driver feeds the dog a last time."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _ask(self, request: int, buffer: bytearray) -> bytearray:
        try:
            fcntl.ioctl(self.fd, request, buffer, True)
        except OSError as error:
            raise _named(self.path, error) from None
        return buffer

    def _write(self, word: bytes) -> None:
        try:
            os.write(self.fd, word)
        except OSError as error:
            raise _named(self.path, error) from None


def _named(path: Path, error: OSError) -> DeviceError:
    return DeviceError(f"{path} {_WORDS.get(error.errno or 0, f'cannot be used: {error.strerror}')}")
