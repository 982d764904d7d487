"""One server process: started, stopped, killed, frozen. What it serves is not known here."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.guardian import guardian
from tests.servers.wait import eventually

_LINES_TOLD = 20
_STOP_S = 5.0


class ServerStartError(Exception):
    """The server ended, or did not answer in time; the message ends with its last output."""


class ServerProcess:
    """A command that runs until it is stopped, and may be started again; its output in a file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = list(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command; RuntimeError when it runs already."""
        if self.running:
            raise RuntimeError(f"already running as process {self.pid}: {self._command[0]}")
        guardian()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def stop(self, within_s: float = 5.0) -> None:
        """SIGTERM, and SIGKILL when that did not end it in time; nothing when it does not run."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGTERM)
        self._process.send_signal(signal.SIGCONT)  # a frozen one would keep the SIGTERM waiting
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait for the end; nothing when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: its connections stay open and nothing answers any more."""
        self._signal(signal.SIGSTOP)
        pid = self.pid
        eventually(lambda: all_stopped(pid), _STOP_S, f"all threads of {self._command[0]} have stopped")

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def last_output(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LINES_TOLD:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None or not self.running:
            raise RuntimeError(f"not running: {self._command[0]}")
        self._process.send_signal(number)


def all_stopped(pid: int | None) -> bool:
    """Whether SIGSTOP has been heeded: a thread that runs on another core answers once more."""
    return all(_state_of(task) in "TZ" for task in Path(f"/proc/{pid}/task").iterdir())


def _state_of(task: Path) -> str:
    """The letter of proc(5); Z for a thread that has just ended."""
    try:
        return (task / "stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"
