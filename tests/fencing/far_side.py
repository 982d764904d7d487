"""The far side of the fence method ssh: an sshd, a service that listens, a controller that holds its lock.

Without systemd; a host with one is in the lab. Knows no method, and judges nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from config.models.fencing import SshMethodSettings
from failover.core.values import Breadcrumb, Node
from failover.daemon.identity import read_machine_id
from failover.ports.service import Proof, Result, Strike
from failover.support.launcher import Launcher
from failover.support.spawner import boot_id
from fencing.ssh import SshFence
from tests.fencing.strikes import strike
from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess
from tests.servers.sshd import Sshd
from tests.servers.wait import eventually
from tests.support.hooks import with_launcher

CHECKOUT = Path(__file__).resolve().parents[2]
HELPER = f"/usr/bin/env PYTHONPATH={CHECKOUT} {sys.executable} -m failover.cli fence-local"
SERVICE, UNIT = "orders-db", "orders-db.service"

SERVE = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
_CONTROL = """
import pathlib, subprocess, sys, time
sys.path.insert(0, {checkout!r})
from failover.daemon.state_folder import StateFolder
StateFolder(pathlib.Path({folder!r})).take()
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path({folder!r}, "child.pid").write_text(f"{{child.pid}}\\n")
time.sleep(600)
"""


class FarSide:
    """Everything on one node. `line`: the options of the key's line."""

    def __init__(self, sshd: Sshd) -> None:
        self.sshd = sshd
        self.folder = scratch_folder("far-side")
        self.state = self.folder / "state" / SERVICE
        self.port = free_port()
        self.service = ServerProcess([sys.executable, "-c", SERVE.format(port=self.port)], self.folder / "service.log")
        code = _CONTROL.format(checkout=str(CHECKOUT), folder=str(self.state))
        self.controller = ServerProcess([sys.executable, "-c", code], self.folder / "controller.log")
        self.timeout_s: float | None = None  # shorter than a file may say: tests of the deadline need not wait
        sshd.know()
        self.let_in()

    def start(self) -> None:
        self.service.start()
        self.controller.start()
        eventually(lambda: self.child() and self.listens(), 10, "service and controller are up")

    def let_in(self, helper: str = HELPER, options: str = "restrict", **given: str) -> None:
        """The key's line; an option that is given as "" is left out."""
        words = {
            "service": SERVICE,
            "unit": UNIT,
            "state-dir": str(self.folder / "state"),
            "port-owner": str(self.port),
        } | {name.replace("_", "-"): value for name, value in given.items()}
        told = " ".join(f"--{name} {value}" for name, value in words.items() if value)
        self.sshd.let_in(f'{options},command="{helper} --from-ssh --no-systemd {told}"')

    def child(self) -> int:
        """The pid of a child of the controller, in a session of its own as a hook's launcher is."""
        path = self.state / "child.pid"
        return int(path.read_text() or 0) if path.exists() else 0

    def listens(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def destroy(self) -> None:
        self.service.kill()
        self.controller.kill()
        with suppress(ProcessLookupError):
            if self.child():
                os.kill(self.child(), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the near side

    def settings(self, **more: object) -> SshMethodSettings:
        written: dict[str, object] = {
            "kind": "ssh",
            "user": "root",
            "key": str(self.sshd.key),
            "known_hosts": str(self.sshd.known_hosts),
            "port": self.sshd.port,
            "ports": (self.port,),
            "connect_timeout": "5s",
            "timeout": "20s",
            **({} if "run" in more else {"unit": UNIT}),
            **more,
        }
        made = SshMethodSettings.model_validate({name: value for name, value in written.items() if value is not None})
        return made if self.timeout_s is None else made.model_copy(update={"timeout": self.timeout_s})

    def fence(self, told: Strike | None = None, **more: object) -> Result:
        async def story(launcher: Launcher) -> Result:
            return await SshFence("stop", self.settings(**more), launcher, {}).fence(told or strike_here())

        return with_launcher(self.folder / "near", story)

    def probe(self, told: Strike | None = None, **more: object) -> Proof:
        async def story(launcher: Launcher) -> Proof:
            return await SshFence("stop", self.settings(**more), launcher, {}).probe(told or strike_here())

        return with_launcher(self.folder / "near", story)


def strike_here(machine_id: str = "", boot: str = "", name: str = "db2", by: str = "db1") -> Strike:
    """At this very machine, under the name of a peer."""
    crumb = Breadcrumb(Node(name, machine_id or read_machine_id()), 41, boot or boot_id(), f"{LOOPBACK}:8300")
    return replace(strike(), target=crumb, by=by)


@contextmanager
def far_side(sshd: Sshd) -> Iterator[FarSide]:
    """A node that is up, behind that sshd, which lets in and is known as if it were new."""
    made = FarSide(sshd)
    try:
        made.start()
        yield made
    finally:
        made.destroy()
