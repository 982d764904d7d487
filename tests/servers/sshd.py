"""A real sshd on a loopback port, with its own host key and its own authorized keys, run as root without PAM.

It does not know what a key's line lets its owner do; a test says so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, ServerStartError
from tests.servers.wait import eventually

_SEPARATION = Path("/run/sshd")  # sshd does not start without it


def missing() -> list[str]:
    """What an sshd needs and this machine has not, in words; empty when it can be started."""
    if os.geteuid() != 0:
        return ["root"]
    needed = {"sshd": "openssh-server", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
    return [f"`{name}` (Debian: {package})" for name, package in needed.items() if not _which(name)]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def make_key(path: Path, passphrase: str = "") -> str:
    """A key pair; the public line."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", str(path)], check=True, timeout=10
    )
    return path.with_name(f"{path.name}.pub").read_text().strip()


class Sshd:
    """One server; `key` may log in as root, and gets `line` before its key (`command=…`)."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = scratch_folder("sshd")
        self.key = self.folder / "id"
        self.known_hosts = self.folder / "known_hosts"
        self._public = make_key(self.key)
        self._host_public = make_key(self.folder / "host")
        self.know()
        self.let_in("")
        (self.folder / "config").write_text(
            f"Port {self.port}\nListenAddress {LOOPBACK}\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\nUseDNS no\n"
        )
        program = _which("sshd") or "sshd"
        self._process = ServerProcess([program, "-D", "-e", "-f", f"{self.folder}/config"], self.folder / "output")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    @property
    def address(self) -> str:
        return LOOPBACK

    def let_in(self, options: str, public: str | None = None) -> None:
        """What stands in authorized_keys: these options before the key (or before another one)."""
        (self.folder / "authorized").write_text(f"{options} {public or self._public}\n".lstrip())

    def know(self, public: str | None = None) -> None:
        """What stands in known_hosts for it: its own key, or another one."""
        key = " ".join((public or self._host_public).split()[:2])
        self.known_hosts.write_text(f"[{LOOPBACK}]:{self.port} {key}\n")

    def start(self) -> None:
        """Start and wait for its banner; ServerStartError otherwise."""
        _SEPARATION.mkdir(mode=0o755, exist_ok=True)
        self._process.start()
        try:
            eventually(self._greets, 10, f"sshd answers at port {self.port}")
        except AssertionError as late:
            raise ServerStartError(f"{late}\n{self._process.last_output()}") from None

    def log(self) -> str:
        return self._process.last_output()

    def pause(self) -> None:
        """SIGSTOP to it and to all its logins."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # a shell of the login may have ended just now
                process.send_signal(signal.SIGSTOP)

    def running(self, word: str) -> list[int]:
        """Processes of its logins whose command line has that very word."""
        found = []
        for process in self._processes()[1:]:
            with contextlib.suppress(psutil.Error):
                if word in process.cmdline() and "sshd" not in process.name():
                    found.append(process.pid)
        return found

    def destroy(self) -> None:
        """Kill it with all logins, and remove the folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL to it and all its logins; nothing listens on its port any more."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.kill()

    def _processes(self) -> list[psutil.Process]:
        if self._process.pid is None:
            return []
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]

    def _greets(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server((LOOPBACK, free_port()), backlog=16) as server:
        yield int(server.getsockname()[1])


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose kernel drops every SYN, as a host that is switched off: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server((LOOPBACK, free_port()), backlog=0))
        address = server.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield int(address[1])
