"""The state folder of one service on this host: the lock of S9, the epoch floor of S4, and where hooks are recorded.

Lives on tmpfs (`/run`): a reboot clears it, and with it everything that it speaks of.
"""

from __future__ import annotations

import fcntl
import os
from errno import EACCES
from pathlib import Path

# Root may be run in a folder that a user without rights owns: a link there must not lead it to another file.
_NO_MORE = os.O_CLOEXEC | os.O_NOFOLLOW


class StateFolderError(Exception):
    """The folder cannot be used; the text says why and what to do."""


class AlreadyRunningError(StateFolderError):
    """Another controller holds the lock (S9)."""


class StateFolder:
    """`<state_dir>/<service>/`, mode 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_fd: int | None = None

    @property
    def socket(self) -> Path:
        """The API's Unix socket."""
        return self.path / "api.sock"

    def take(self) -> None:
        """Make the folder and hold its lock until this process ends. Raises StateFolderError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.path / "controller.lock", os.O_RDWR | os.O_CREAT | _NO_MORE, 0o600)
        except OSError as error:
            owner = f"let it belong to user {os.geteuid()}, as which this runs, or " if error.errno == EACCES else ""
            raise StateFolderError(
                f"state folder {self.path}: {error.strerror}; {owner}choose another state_dir"
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise AlreadyRunningError(
                f"another controller (pid {holder}) runs for this service on this host: it holds "
                f"{self.path / 'controller.lock'}; stop it first (S9: one per service and host)"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock_fd = fd

    def floor(self) -> int:
        """The epoch at or below which nothing is ever promoted here; 0 when nobody has fenced this node."""
        path = self.path / "floor"
        try:
            text = path.read_text("ascii", "replace").strip()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StateFolderError(f"{path} cannot be read: {error.strerror}; remove it after a reboot only") from None
        if text.isdecimal():
            return int(text)
        raise StateFolderError(f"{path} does not hold a number; remove it after a reboot only")

    def keep_floor(self, epoch: int) -> None:
        """Write the floor durably before anything else is done. It never gets lower."""
        epoch = max(epoch, self.floor())
        temporary = self.path / "floor.new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_MORE, 0o600)
        try:
            os.write(fd, f"{epoch}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.rename(self.path / "floor")
