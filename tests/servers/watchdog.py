"""A watchdog device in user space (FUSE) with the kernel's semantics; `FakeDevice` runs this file as a process.

Open arms it; every write and KEEPALIVE feed it; a close of the last descriptor disarms it after a `V` written last, and
feeds it without one; it runs CMD when it fires. What happens is in FOLDER/events, one line each.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fencing.watchdog.guardian import GuardError, Guardian
from tests.servers.process import ServerProcess
from tests.servers.wait import eventually

GETSUPPORT, SETOPTIONS, KEEPALIVE, SETTIMEOUT, GETTIMEOUT = 0x80285700, 0x80045704, 0x80045705, 0xC0045706, 0x80045707
OPTIONS = 0x8180  # KEEPALIVEPING, MAGICCLOSE, SETTIMEOUT


def missing() -> str:
    """Why there can be no such device here; "" if there can."""
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError, AttributeError) as error:
        return f"no FUSE: {error}"
    if not Path("/dev/fuse").exists() or shutil.which("fusermount3") is None:
        return "no /dev/fuse or fusermount3 (Debian: fuse3 libfuse3-3)"
    return ""


class FakeDevice:
    """One of them, mounted. `fires`: a shell command line."""

    def __init__(self, folder: Path, fires: str = "true", options: int = OPTIONS) -> None:
        self._folder = folder
        self.path = folder / "mount" / "watchdog"
        (folder / "mount").mkdir(parents=True)
        (folder / "events").touch()
        command = [sys.executable, "-m", "tests.servers.watchdog", str(folder), fires, str(options)]
        self._process = ServerProcess(command, folder / "log")

    def start(self) -> None:
        self._process.start()
        eventually(self.path.exists, 10, "the watchdog device is mounted")

    def stop(self) -> None:
        subprocess.run(["fusermount3", "-uqz", str(self.path.parent)], check=False, capture_output=True)
        self._process.stop()

    def events(self) -> list[str]:
        """What happened, in order; pets are not told one by one."""
        return [line.split(" ", 1)[1] for line in (self._folder / "events").read_text().splitlines()]

    def at(self, event: str) -> float:
        """CLOCK_MONOTONIC of the last such event."""
        lines = [line.split(" ", 1) for line in (self._folder / "events").read_text().splitlines()]
        return float([at for at, said in lines if said == event][-1])

    def never_lets_go(self) -> None:
        """As a driver with nowayout from now on: a `V` means nothing."""
        (self._folder / "nowayout").touch()

    def pets(self) -> int:
        path = self._folder / "pets"
        return int(path.read_text() or 0) if path.exists() else 0


def let_go(path: Path) -> None:
    """Have the guard at that socket, if there is one, close what it holds: where a test has "reset" its host."""
    guardian = Guardian(path)
    with suppress(GuardError):
        guardian.release()
    guardian.leave()


def ended(pid: int) -> bool:
    """Whether a process of ours, a child or not, is gone; reaps it if it is a child."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not Path(f"/proc/{pid}").exists()


@contextmanager
def watchdog_device(folder: Path, fires: str = "true", options: int = OPTIONS) -> Iterator[FakeDevice]:
    device = FakeDevice(folder, fires, options)
    device.start()
    try:
        yield device
    finally:
        device.stop()


def _serve(  # noqa: C901 - one small method for each call of FUSE
    folder: Path, fires: str, options: int
) -> None:
    from mfusepy import FUSE, FuseOSError, Operations

    class Watchdog(Operations):  # type: ignore[misc]
        use_ns = True

        def __init__(self) -> None:
            self.timeout_s, self.until_s = 60, 0.0
            self.magic = self.is_open = False
            self.pets = 0
            self.lock = threading.Lock()
            threading.Thread(target=self.count, daemon=True).start()

        def tell(self, event: str) -> None:
            with (folder / "events").open("a") as file:
                file.write(f"{time.monotonic():.3f} {event}\n")

        def count(self) -> None:
            while True:
                time.sleep(0.02)
                with self.lock:
                    fired = 0 < self.until_s < time.monotonic()
                    if fired:
                        self.until_s = 0.0
                        self.tell("fired")
                if fired:
                    subprocess.run(fires, shell=True, check=False)
                    self.tell("reset")

        def feed(self) -> None:
            self.until_s = time.monotonic() + self.timeout_s

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            if path == "/watchdog":
                return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": 0}
            raise FuseOSError(errno.ENOENT)

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", "watchdog"]

        def open(self, path: str, flags: int) -> int:
            with self.lock:
                if self.is_open:
                    raise FuseOSError(errno.EBUSY)
                self.is_open, self.magic = True, False
                self.feed()
                self.tell("armed")
            return 3

        def truncate(self, path: str, length: int, fh: int | None = None) -> int:
            return 0

        def write(self, path: str, data: bytes, off: int, fh: int) -> int:
            with self.lock:
                self.magic = b"V" in data
                self.pets += 1
                (folder / "pets").write_text(str(self.pets))
                self.feed()
            return len(data)

        def flush(self, path: str, fh: int) -> int:
            return 0

        def release(self, path: str, fh: int) -> int:
            with self.lock:
                self.is_open = False
                if self.magic and not (folder / "nowayout").exists():
                    self.until_s = 0.0
                    self.tell("disarmed")
                else:
                    self.feed()
                    self.tell("closed without V")
            return 0

        def ioctl(self, path: str, cmd: int, arg: int, fip: int, flags: int, data: int) -> int:
            cmd &= 0xFFFFFFFF
            with self.lock:
                if cmd == KEEPALIVE:
                    self.feed()
                elif cmd == SETTIMEOUT:
                    self.timeout_s = struct.unpack("i", ctypes.string_at(data, 4))[0]
                    self.feed()
                    ctypes.memmove(data, struct.pack("i", self.timeout_s), 4)
                elif cmd == GETTIMEOUT:
                    ctypes.memmove(data, struct.pack("i", self.timeout_s), 4)
                elif cmd == GETSUPPORT:
                    ctypes.memmove(data, struct.pack("II32s", options, 1, b"fake watchdog"), 40)
                else:
                    return -errno.ENOTTY
            return 0

    FUSE(Watchdog(), str(folder / "mount"), foreground=True, direct_io=True, nothreads=False)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
