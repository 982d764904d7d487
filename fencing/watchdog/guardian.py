"""The controller's side of the guard: starts it, gives it the descriptor, takes it back after a restart.

Every call has a deadline. Knows nothing of watchdogs.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from fencing.watchdog.guard import HOLD, LONGEST, RELEASE, TAKE

DEADLINE_S = 1.0
SCRIPT = Path(__file__).with_name("guard.py")


class GuardError(Exception):
    """The guard is not there, or does not answer; the text says why."""


class Guardian:
    """A connection to the guard whose socket is at `path`, in a folder that nobody else may enter."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: socket.socket | None = None
        self._holding = False
        self._process: subprocess.Popen[bytes] | None = None

    def take(self) -> tuple[int, dict[str, object]] | None:
        """The descriptor and the words that a predecessor's guard holds; None: there is nothing. Raises GuardError."""
        if self._link is None and not self._connect():
            return None
        said, fds = self._say(TAKE)
        if said[:1] != TAKE or not fds:
            return None
        try:
            words = json.loads(said[1:])
        except ValueError:
            words = {}
        return fds[0], words if isinstance(words, dict) else {}

    def hold(self, fd: int, words: Mapping[str, object]) -> None:
        """Have it keep a copy of `fd`; starts a guard where none is. Raises GuardError."""
        self.ready()
        said, _ = self._say(HOLD + json.dumps(words).encode(), [fd])
        self._holding = said == HOLD
        if not self._holding:
            raise GuardError(f"the guard did not take the descriptor: it said {said[:20]!r}")

    def ready_with(self, fd: int, words: Mapping[str, object]) -> None:
        """Hold again where the guard has ended meanwhile; cheap while it lives. Raises GuardError."""
        if not self._alive():
            self.hold(fd, words)

    def ready(self) -> None:
        """Be connected to a guard, and start one where none is. Raises GuardError."""
        if not self._alive() and not self._connect():
            self._start()

    def release(self) -> None:
        """Have it close its copy; also one to which the connection was lost. Raises GuardError."""
        if not self._alive() and not self._connect():
            self._holding = False  # no guard, no copy
            return
        said, _ = self._say(RELEASE)
        self._holding = said not in (RELEASE, b"-")
        if self._holding:
            raise GuardError(f"the guard did not let go: it said {said[:20]!r}")

    def leave(self) -> None:
        """The controller ends; a guard that holds nothing ends with it."""
        self._hang_up()
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.0 if self._holding else DEADLINE_S)
            if self._process.returncode is None:
                self._process.returncode = 0  # it outlives us: nobody waits for it

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _alive(self) -> bool:
        if self._link is None:
            return False
        look = select.poll()
        look.register(self._link, select.POLLIN)
        return not look.poll(0)  # it says nothing by itself: what is there to read is its end

    def _connect(self) -> bool:
        self._hang_up()
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(DEADLINE_S)
        try:
            link.connect(str(self._path))
        except OSError:
            link.close()
            return False
        self._link = link
        return True

    def _start(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            listener.bind(str(self._path))
            listener.listen(2)
            number = listener.fileno()
            # Its own session, so that nothing sent to the controller's group reaches it; no environment, no pipes.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), str(self._path), str(number)],
                pass_fds=[number], start_new_session=True, env={}, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise GuardError(f"the guard of the watchdog cannot be started: {error}") from None
        finally:
            listener.close()
        if not self._connect():
            raise GuardError("the guard of the watchdog does not answer")

    def _say(self, words: bytes, fds: list[int] | None = None) -> tuple[bytes, list[int]]:
        if self._link is None:
            raise GuardError("there is no guard")
        try:
            socket.send_fds(self._link, [words], fds or [])
            said, came, _, _ = socket.recv_fds(self._link, LONGEST, 1)
        except OSError as error:
            self._hang_up()
            raise GuardError(f"the guard of the watchdog does not answer: {error.strerror or error}") from None
        for fd in came:
            os.set_inheritable(fd, False)
        return said, came
