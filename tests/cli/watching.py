"""`failoverctl watch` as a process of its own, and what it has said so far."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.cli.conftest import REPOSITORY
from tests.servers.wait import eventually

END_S = 20.0


class Watching:
    """Use as a context manager: it is killed at the end if it still runs. `terminal`: it has one to draw on."""

    def __init__(self, config: Path, *words: str, terminal: bool = False) -> None:
        self._command = [sys.executable, "-m", "failover.cli", "watch", "--config", str(config), *words]
        self._terminal = terminal
        self._said = ""

    def __enter__(self) -> Watching:
        self._read, write = pty.openpty() if self._terminal else os.pipe()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "120"}
        self._process = subprocess.Popen(
            self._command, stdout=write, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment, text=True
        )
        os.close(write)
        self._reader = threading.Thread(target=self._hear, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=END_S)
        self._reader.join(END_S)
        os.close(self._read)

    def _hear(self) -> None:
        while True:
            try:
                piece = os.read(self._read, 65536)
            except OSError:  # how a terminal says that nobody writes to it any more
                return
            if not piece:
                return
            self._said += piece.decode(errors="replace")

    @property
    def said(self) -> str:
        return self._said

    @property
    def news(self) -> list[dict[str, Any]]:
        """With --json: every whole line."""
        whole = self._said.rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def tells(self, node: str, event: str, role: str = "", after: int = 0) -> int:
        """Wait for that piece of news among those after the first `after`; how many there are by then."""

        def found() -> int:
            for number, one in enumerate(self.news):
                fits = one["node"] == node and one["event"] == event
                if number >= after and fits and role in ("", one.get("status", {}).get("role")):
                    return number + 1
            return 0

        return eventually(found, 20.0, f"{event} {role} of {node} is told; told so far:\n{self._said[-3000:]}")

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C: its exit code, and what it wrote to standard error."""
        self._process.send_signal(signal.SIGINT)
        _, errors = self._process.communicate(timeout=END_S)
        return self._process.returncode, errors
