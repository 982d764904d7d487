"""Two real `failoverd` processes over one ZooKeeper, each beside a tiny real service, with hooks that only knock.

Knows how to write the configuration, to start and end the processes, and to ask what they are. What is measured, and
when, is others' matter.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.bench.doors import Door
from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess
from tests.servers.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[2]
SERVICE_PROGRAM = Path(__file__).with_name("service.py")
# As in systemd/failoverd@.service; and what is installed there is compiled: else each start compiles it anew.
AS_THE_UNIT = ("env", "--unset=PYTHONDONTWRITEBYTECODE", "PYTHONNODEBUGRANGES=1")
TOKEN = "t0ken-of-the-bench"
SOON_S = 15.0
# Everything else is at its default. The bench kills the same service again and again, which a controller is right to
# meet with ever longer pauses; they are kept short, so that both nodes are ready again for the next run.
SHORT_PAUSES = {"failovers": 1000, "retry": {"first": "50ms", "longest": "50ms"}}


# Asked at the start and after a demote, where it must agree; else never within a run.
SAYS_STANDBY = {"run": ["/bin/echo", "standby"], "every": "1h", "timeout": "2s"}
ROLES = ("active", "standby")
LIVE_HOST = {
    "methods": {"ask": {"kind": "controller"}, "power": {"kind": "command", "run": ["/bin/false"]}},
    "levels": [["ask"], ["power"]],
}


@dataclass(frozen=True, slots=True)
class Kind:
    """Which service is played: is a standby's `running` or `stopped`, and is its process watched beside its port?

    `asked_every`: it is asked over HTTP at this pace, and demote kills it. `keeps_role`: hooks keep what `role` tells,
    which adoption needs. `fence_answers`: the only fence method answers done. Empty: the default.
    """

    standby: str
    watches_process: bool = True
    asked_every: str = ""
    keeps_role: bool = False
    fence_answers: bool = False
    session_timeout: str = ""
    tick_time: str = ""
    within: str = ""


class Node:
    """One node: configuration, hooks, service and controller."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir()
        self.api = f"{LOOPBACK}:{free_port()}"
        self.port = free_port()
        self.promote, self.demote = Door(folder / "promote.door"), Door(folder / "demote.door")
        self.pidfile = folder / "service.pid"
        self.controller = ServerProcess(
            [*AS_THE_UNIT, sys.executable, "-m", "failover.daemon", str(self.config)], folder / "log"
        )
        self.service = ServerProcess(
            [sys.executable, "-I", "-S", str(SERVICE_PROGRAM), str(self.port), str(self.pidfile)],
            folder / "service.log",
        )
        self._client = httpx.Client(timeout=5.0, headers={"Authorization": f"Bearer {TOKEN}"})

    @property
    def config(self) -> Path:
        return self.folder / "failoverd.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int:
        """The controller's process id; RuntimeError when it does not run."""
        pid = self.controller.pid
        if pid is None:
            raise RuntimeError(f"the controller of {self.name} has ended:\n{self.controller.last_output()}")
        return pid

    def start_service(self) -> None:
        self.pidfile.unlink(missing_ok=True)
        self.service.start()
        eventually(self.pidfile.exists, SOON_S, f"the service of {self.name} listens")

    def kill_service(self) -> float:
        """SIGKILL; the moment just before (CLOCK_MONOTONIC)."""
        pid = int(self.pidfile.read_text("ascii"))
        at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return at

    def hang_service(self) -> float:
        """SIGSTOP; the moment just before (CLOCK_MONOTONIC)."""
        pid = int(self.pidfile.read_text("ascii"))
        at = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        return at

    def restart_controller(self) -> float:
        """SIGKILL, and what a supervisor does then, at once; the moment just before (CLOCK_MONOTONIC)."""
        at = time.monotonic()
        self.controller.kill()
        self.controller.start()
        return at

    def lose_host(self) -> float:
        """SIGKILL to controller and service; the moment just before (CLOCK_MONOTONIC)."""
        at = time.monotonic()
        self.controller.kill()
        self.kill_service()
        return at

    def reap_service(self) -> None:
        self.service.kill()

    def status(self) -> dict[str, Any]:
        """What the controller says of itself; empty while it does not answer."""
        return self._get("/v1/status")

    def has_order(self) -> bool:
        """Whether a switchover has not ended yet, as far as this node knows."""
        return self._get("/v1/cluster").get("switchover", ...) is not None

    def role(self) -> str:
        """What the controller says that it is; "" while it does not answer."""
        return str(self.status().get("role", ""))

    def is_well(self) -> bool:
        """Whether the service's probes pass."""
        return self.status().get("health") == "healthy"

    def order(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Give an order; AssertionError when it is refused."""
        answer = self._client.post(f"http://{self.api}{path}", json=body)
        assert answer.is_success, f"{path} was refused: {answer.text}"
        told: dict[str, Any] = answer.json()
        return told

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = self._client.get(f"http://{self.api}{path}")
        except httpx.TransportError:
            return {}
        told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return told

    def destroy(self) -> None:
        self._client.close()
        self.controller.kill()
        self.service.kill()
        self.promote.close()
        self.demote.close()


class Pair:
    """A service on two nodes."""

    def __init__(self, hosts: str, kind: Kind) -> None:
        self.folder = scratch_folder("bench")
        self.service = f"bench-{secrets.token_hex(3)}"
        self.kind = kind
        self.nodes = [Node(name, self.folder / name) for name in ("a", "b")]
        for node in self.nodes:
            self._write(node, hosts)

    def start(self) -> None:
        """Services and controllers; afterwards the first node is active and the second a standby."""
        active, standby = self.nodes
        if self.kind.standby == "running":
            active.start_service()
            standby.start_service()
        active.controller.start()
        eventually(lambda: active.role() == "active", SOON_S, f"{active.name} is active\n{self.logs()}")
        self.serve(active)
        self.wait_for(active, "active")
        standby.controller.start()
        self.wait_for(standby, "standby")

    def serve(self, new_active: Node) -> None:
        """What promote would have done, were it not empty."""
        if self.kind.standby == "stopped":
            new_active.start_service()

    def come_back(self, crashed: Node) -> None:
        """What follow would have done."""
        crashed.reap_service()
        if self.kind.standby == "running":
            crashed.start_service()

    def wait_for(self, node: Node, role: str) -> None:
        """Until it is settled in that role, and its service is well, unless it is meant to be stopped."""
        well = role == "active" or self.kind.standby == "running"
        said = f"{node.name} is a settled {role}"
        eventually(lambda: node.role() == role and (node.is_well() or not well), SOON_S, f"{said}\n{self.logs()}")

    def format(self) -> None:
        """Make the service's paths in the store, as an operator would."""
        command = [sys.executable, "-m", "failover.cli", "format"]
        environment = {**os.environ, "FAILOVERD_CONFIG": str(self.nodes[0].config)}
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"failoverctl format: {done.stdout}{done.stderr}"

    def logs(self) -> str:
        return "\n".join(f"--- {n.name}\n{n.controller.last_output()}" for n in self.nodes if n.log.exists())

    def destroy(self) -> None:
        for node in self.nodes:
            node.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, node: Node, hosts: str) -> None:
        for name, text in {"tokens": f"bench admin {TOKEN}\n", "peer.secret": "the peers' shared secret\n"}.items():
            (node.folder / name).write_text(text)
            (node.folder / name).chmod(0o600)
        node.config.write_text(json.dumps(self._config(node, hosts), indent=1))

    def _config(self, node: Node, hosts: str) -> dict[str, Any]:
        process = {"kind": "process", "pidfile": str(node.pidfile)}
        asked = self._asked(node)
        return {
            "service": self.service,
            "node": node.name,
            "state_dir": str(node.folder / "state"),
            "store": {"kind": "zookeeper", "hosts": [hosts], "root": "/bench"} | self._times(),
            "nodes": {one.name: {"address": LOOPBACK} for one in self.nodes},
            "control": self._control(node),
            "health": [process, asked] if self.kind.watches_process else [asked],
            "fencing": self._power() if self.kind.fence_answers else LIVE_HOST,
            "limits": SHORT_PAUSES | ({"within": self.kind.within} if self.kind.within else {}),
            "api": {
                "listen": node.api,
                "allow_loopback": True,
                "tokens": {"file": str(node.folder / "tokens")},
                "peer_secret": {"file": str(node.folder / "peer.secret")},
            },
        }

    def _asked(self, node: Node) -> dict[str, Any]:
        every = self.kind.asked_every
        if not every:
            return {"kind": "tcp", "port": node.port}
        return {"kind": "http", "url": f"http://{LOOPBACK}:{node.port}/", "every": every, "timeout": every}

    def _power(self) -> dict[str, Any]:
        """A power switch that works: it kills the service of the node it is given (the controller is dead already)."""
        run = ["/bin/sh", "-c", f"kill -9 $(cat {self.folder}/{{node.name}}/service.pid); true"]
        return {"methods": {"power": {"kind": "command", "run": run}}}

    def _times(self) -> dict[str, str]:
        asked = {"session_timeout": self.kind.session_timeout, "tick_time": self.kind.tick_time}
        return {name: text for name, text in asked.items() if text}

    def _control(self, node: Node) -> dict[str, Any]:
        promote, demote = node.promote.hook, node.demote.hook
        if self.kind.asked_every:
            demote = _shell(f"kill -9 $(cat {node.pidfile})", demote)
        told: dict[str, Any] = SAYS_STANDBY
        if self.kind.keeps_role:
            file = node.folder / "role"
            file.write_text("standby\n")
            promote, demote = (
                _shell(f"echo {role} > {file}", run) for role, run in zip(ROLES, (promote, demote), strict=True)
            )
            told = SAYS_STANDBY | {"run": ["/bin/cat", str(file)]}
        hooks = {"promote": {"run": promote}, "demote": {"run": demote}}
        role = {"role": told} if self.kind.standby == "running" or self.kind.keeps_role else {}
        return {"kind": "command", "standby": self.kind.standby, **hooks, **role}


def _shell(first: str, then: list[str]) -> list[str]:
    """A hook that does something before it knocks."""
    return ["/bin/sh", "-c", f"{first}; exec {shlex.join(then)}"]


@contextmanager
def running_pair(hosts: str, kind: Kind) -> Iterator[Pair]:
    """A formatted and started pair, gone afterwards."""
    pair = Pair(hosts, kind)
    try:
        pair.format()
        pair.start()
        yield pair
    finally:
        pair.destroy()
