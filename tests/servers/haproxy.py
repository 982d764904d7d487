"""A real HAProxy on loopback ports. It does not know what is balanced: a test hands in the whole configuration."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.guardian import scratch_folder
from tests.servers.process import ServerProcess, ServerStartError

CHECK_S = 10.0


def missing() -> list[str]:
    """What an HAProxy needs and this machine has not, in words; empty when it can be started."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    return [] if found else ["`haproxy` on the PATH (Debian: haproxy)"]


class HAProxy:
    """One HAProxy, as a context manager."""

    def __init__(self, configuration: str) -> None:
        self.folder = scratch_folder("haproxy")
        self._file = self.folder / "haproxy.cfg"
        self._file.write_text(configuration, "utf-8")
        self._log = self.folder / "log"
        self._process = ServerProcess([_program(), "-db", "-f", str(self._file)], self._log)

    def __enter__(self) -> Self:
        check(self._file)
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")


def check(file: Path) -> None:
    """HAProxy's own check of a configuration. Raises ServerStartError with its words."""
    command = [_program(), "-c", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_S, check=False)
    if done.returncode:
        raise ServerStartError(f"{file}: {done.stdout}{done.stderr}")


def _program() -> str:
    return shutil.which("haproxy") or "/usr/sbin/haproxy"
