"""The controller of a service on this host: whoever holds its state folder's lock (S9), its launcher and its hooks.

Works with and without systemd: also for a controller that somebody has started by hand, beside its unit. Knows neither
ssh nor who asks.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from failover.cli.fence_local.outcome import Deadline, NotDone, Refused
from failover.cli.fence_local.proc import kill_with_descendants, lives, owners_of_file
from failover.daemon.state_folder import StateFolder, StateFolderError
from failover.support.hook_records import end_recorded_hooks

LOCK, OWN_LOCK, SESSION = "controller.lock", "fence.lock", "session.json"
_LARGEST = 16_384
_HOOKS_S = 2.0


class ControllerProcesses:
    """`folder`: `<state_dir>/<service>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[int] = []

    @property
    def known(self) -> bool:
        """Whether a controller has run with that folder since the host booted (it is on tmpfs): it wrote its pid."""
        try:
            return (self.folder / LOCK).stat().st_size > 0
        except FileNotFoundError:
            return False

    def take_turn(self, deadline: Deadline) -> None:
        """One fence at a time: the second waits for the first. Raises NotDone."""
        self.make_folder()
        fd = self._open(OWN_LOCK)
        deadline.until(lambda: _taken(fd), lambda: "another fence of this host has not ended in time")

    def leave_turn(self) -> None:
        """The next one may begin."""
        while self._held:
            os.close(self._held.pop())

    def make_folder(self) -> None:
        """With the owner of the nearest folder above, so that a controller of another user can use it later."""
        if self.folder.is_dir():
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _as_parent(self.folder)
        except OSError as error:
            raise Refused(f"{self.folder}: {error.strerror}; is the fence allowed to write there (root)?") from None

    def refuse_stale(self, epoch: int) -> None:
        """A strike that comes late must not hit what has become active under a newer epoch since. Raises Refused."""
        newest = self._newest()
        if newest > epoch or (newest == epoch and self._own_epoch() == epoch):
            raise Refused(f"this strike is of epoch {epoch}, and here is known of epoch {newest} already: it is stale")

    def _newest(self) -> int:
        try:
            return max(self._own_epoch(), StateFolder(self.folder).floor())
        except StateFolderError as error:
            raise Refused(str(error)) from None

    def _own_epoch(self) -> int:
        """Of its last claim, as it left it for its successor; 0 where nothing readable says so."""
        try:
            with open(self.folder / SESSION, "rb") as file:
                told = json.loads(file.read(_LARGEST))
        except (OSError, ValueError, RecursionError):
            return 0
        epoch = told.get("epoch") if isinstance(told, dict) and told.get("role") == "active" else 0
        return epoch if isinstance(epoch, int) else 0

    def raise_floor(self, epoch: int) -> None:
        """Nothing is promoted here at or below that epoch, by whichever controller. Raises NotDone."""
        try:
            StateFolder(self.folder).keep_floor(epoch)
            _as_parent(self.folder / "floor")
        except (OSError, StateFolderError) as error:
            raise NotDone(f"the epoch floor is not written: {error}") from None

    def end(self, deadline: Deadline) -> list[int]:
        """Kill whoever holds the lock, with all that descends from it, take the lock, end recorded hooks.

        The lock is held until this process ends: no other controller begins before the proof is complete.
        Raises NotDone.
        """
        ended: set[int] = set()
        fd = self._open(LOCK)

        def gone() -> bool:
            if _taken(fd):
                return True
            ended.update(kill_with_descendants(owners_of_file(self.folder / LOCK)))
            return False

        deadline.until(gone, lambda: f"its controller still holds {self.folder / LOCK}{self._holders()}")
        deadline.until(
            lambda: not any(map(lives, ended)), lambda: f"processes of the controller live on: {_listed(ended)}"
        )
        self._end_hooks(deadline)
        return sorted(ended)

    def _end_hooks(self, deadline: Deadline) -> None:
        try:
            left = end_recorded_hooks(self.folder, min(_HOOKS_S, deadline.left_s())).alive
        except OSError as error:
            raise NotDone(f"the records of its hooks cannot be read: {error}") from None
        if left:
            raise NotDone(f"hooks of the controller run on after SIGKILL: {', '.join(left)}")

    def _open(self, name: str) -> int:
        path = self.folder / name
        try:
            fresh = not path.exists()
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if fresh:
                _as_parent(path)
        except OSError as error:
            raise Refused(f"{path}: {error.strerror}; is the fence allowed to write there (root)?") from None
        self._held.append(fd)
        return fd

    def _holders(self) -> str:
        found = owners_of_file(self.folder / LOCK)
        return f": {_listed(found)}" if found else ", held by a process that this user may not see"


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _as_parent(path: Path) -> None:
    """What root makes in another user's folder must be that user's: else its controller could not start any more."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _listed(pids: set[int]) -> str:
    return ", ".join(str(pid) for pid in sorted(pids) if lives(pid))
