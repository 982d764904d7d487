"""Real processes to be found and watched: plain ones, and trees whose workers outlive their main process."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.servers.wait import eventually

_TREE = """
import os, socket, sys, time
workers, deep, port, apart = map(int, sys.argv[1:5])
if port:
    server = socket.create_server(("127.0.0.1", port))
for _ in range(workers):
    if os.fork() == 0:
        if apart:
            os.setsid()
        for _ in range(deep):
            if os.fork():
                break
        time.sleep(600)
time.sleep(600)
"""


class Services:
    """Processes to be found, ended afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pidfile = folder / "service.pid"
        self.program = folder / "serviced"
        self._started: list[subprocess.Popen[bytes]] = []
        self._orphans: list[int] = []
        shutil.copy(shutil.which("sleep") or "/bin/sleep", self.program)

    def start(self, *argv: str) -> int:
        """One more, by default the program; its pid is in the pid file."""
        process = subprocess.Popen(argv or (str(self.program), "60"), start_new_session=True)
        self._started.append(process)
        self.pidfile.write_text(f"{process.pid}\n")
        return process.pid

    def start_tree(self, workers: int = 2, deep: int = 0, port: int = 0, apart: bool = False) -> int:
        """A main process that forks workers (and each `deep` more below it), which live on when it is killed.

        `port`: all of them hold a listening socket. `apart`: each worker leads a session of its own.
        """
        pid = self.start(sys.executable, "-c", _TREE, *map(str, (workers, deep, port, int(apart))))
        eventually(lambda: len(self.below(pid)) == workers * (deep + 1), 10.0, "its workers are there")
        self._orphans += self.below(pid)
        return pid

    def below(self, pid: int) -> list[int]:
        """The living descendants of `pid`."""
        try:
            return sorted(child.pid for child in psutil.Process(pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def end(self, pid: int) -> None:
        """Kill it, and wait until it is reaped."""
        process = next(process for process in self._started if process.pid == pid)
        process.kill()
        process.wait(5.0)

    def close(self) -> None:
        """End them all."""
        for orphan in self._orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
