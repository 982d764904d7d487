"""A make-believe host: one process, below which everything of one node runs, and which can end all of it.

It boots (the service as a standby, then the controller), starts a controller that has ended again, as a supervisor
would, and has a power switch: a line written into the FIFO `power` ends every process below it, answers with the file
`off.<line>`, and boots again after a while. When standard input ends, so does everything: nothing of the demo outlives
it, not even when it is killed outright. Run as `python -m failover.demo.machine FOLDER`; FOLDER/boot.json says what to
run. Knows nothing of roles or locks.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import sys
import time
from pathlib import Path

BOOT_AGAIN_S = 1.0
SWEEP_PAUSE_S = 0.002
_SET_CHILD_SUBREAPER = 36


class Machine:
    """One host."""

    def __init__(self, folder: Path) -> None:
        os.chdir(folder)
        told = json.loads(Path("boot.json").read_text("utf-8"))
        self.service: list[str] = told["service"]
        self.controller: list[str] = told["controller"]
        self.scratch: str = told["scratch"]
        self.booting = self.running = 0  # pids: of the service's start, and of the controller
        self.boot_at: float | None = time.monotonic()
        # Orphans come to this process and to no other: so whatever is below it stays below it.
        ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.mkfifo("power", 0o600)
        self.power = os.open("power", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake, wakened = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
        self.selector = selectors.DefaultSelector()
        for descriptor in (sys.stdin.fileno(), self.power, self.wake):
            self.selector.register(descriptor, selectors.EVENT_READ)

    def serve(self) -> None:
        """Run until standard input ends; then end everything, and remove the scratch folder."""
        while True:
            ready = {key.fd for key, _ in self.selector.select(self._patience_s())}
            if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096):
                break
            if self.power in ready:
                self._switch_off(os.read(self.power, 4096).decode("ascii", "replace").split())
            if self.wake in ready:
                os.read(self.wake, 4096)
                self._reap()
            if self.boot_at is not None and time.monotonic() >= self.boot_at:
                self.boot_at, self.booting = None, _start(self.service)
        self._end_all()
        shutil.rmtree(self.scratch, ignore_errors=True)  # the other hosts do the same; the last one finds it quiet

    def _patience_s(self) -> float | None:
        return None if self.boot_at is None else max(0.0, self.boot_at - time.monotonic())

    def _reap(self) -> None:
        """Bury what has ended. The service was started: now the controller. The controller ended: again, later."""
        while pid := _buried():
            if pid == self.booting:
                self.booting, self.running = 0, _start(self.controller)
                Path("controller.pid").write_text(f"{self.running}\n", "ascii")
            elif pid == self.running:
                self.running, self.boot_at = 0, time.monotonic() + BOOT_AGAIN_S

    def _switch_off(self, asked: list[str]) -> None:
        self._end_all()
        self.boot_at = time.monotonic() + BOOT_AGAIN_S
        for id_ in asked:
            Path(f"off.{Path(id_).name}").touch()

    def _end_all(self) -> None:
        """SIGKILL to everything below, until there is nothing: no child left means no descendant left."""
        self.booting = self.running = 0
        while _has_children():
            for pid in _below(os.getpid()):
                _kill(pid)
            while _buried():
                pass
            time.sleep(SWEEP_PAUSE_S)


def _start(argv: list[str]) -> int:
    """Start it in a session of its own (Ctrl-C in the terminal is for the demo alone), its words in a file."""
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        argv[0],
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "controller.log", log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _buried() -> int:
    """The pid of a child that had ended, now reaped; 0: none has."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0


def _below(root: int) -> list[int]:
    """Every process that descends from `root`, nearest first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            children.setdefault(_parent(int(entry)), []).append(int(entry))
    found: list[int] = []
    ring = [root]
    while ring:
        ring = [child for parent in ring for child in children.get(parent, [])]
        found += ring
    return found


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # it ended meanwhile
        return -1
    return int(text[text.rindex(b")") + 2 :].split()[1])


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Take the folder from the command line."""
    Machine(Path(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
