"""The demo's scratch folder: who the nodes are, their ports, and the files that each is started from.

Starts nothing. Everything is below one folder, and the folder goes at the end.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shlex
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template

SERVICE = "demo"
NAMES = ("n1", "n2", "n3")
HERE = Path(__file__).resolve().parent
LOOPBACK = "127.0.0.1"
LONGEST_FOLDER = 80  # below it there is a Unix socket, whose whole path has room for 107 characters
_LOWEST_PORT = 10_000
_RANGE_OF_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True)
class Node:
    """One make-believe host."""

    name: str
    folder: Path
    service_port: int
    api_port: int

    @property
    def config(self) -> Path:
        """The controller's configuration."""
        return self.folder / "failoverd.yaml"

    @property
    def socket(self) -> Path:
        """The Unix socket of the controller's API."""
        return self.folder / "state" / SERVICE / "api.sock"

    @property
    def log(self) -> Path:
        """What the controller wrote."""
        return self.folder / "controller.log"

    @property
    def url(self) -> str:
        """The controller's status page."""
        return f"http://{LOOPBACK}:{self.api_port}/"


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole demo. `kind`: redis or tcp, the service that is kept available."""

    scratch: Path
    kind: str
    nodes: tuple[Node, ...]

    @property
    def store(self) -> Path:
        """Where the lock lives."""
        return self.scratch / "store"

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


def lay_out(kind: str) -> Layout:
    """Make the scratch folder with everything that the nodes are started from. Raises OSError."""
    scratch = _scratch_folder()
    ports = _free_ports(2 * len(NAMES))
    nodes = tuple(Node(name, scratch / name, ports.pop(), ports.pop()) for name in NAMES)
    layout = Layout(scratch, kind, nodes)
    layout.store.mkdir()
    secret = scratch / "peer.secret"
    secret.touch(0o600)
    secret.write_text(secrets.token_hex(32), "ascii")
    for node in nodes:
        node.folder.mkdir()
        _write_node(layout, node)
    return layout


def _scratch_folder() -> Path:
    """In memory where that can be had: the disk's own slowness is not what is shown here."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) and "TMPDIR" not in os.environ else None
    folder = Path(tempfile.mkdtemp(prefix="failover-demo-", dir=memory)).resolve()
    if len(str(folder)) > LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="failover-demo-", dir="/tmp"))
    return folder


def _write_node(layout: Layout, node: Node) -> None:
    hook = HERE / "hooks" / f"{layout.kind}.sh"
    facts = [f"  {each.name}: {{address: {LOOPBACK}, folder: {_yaml(each.folder)}}}" for each in layout.nodes]
    values = {
        "node": node.name,
        "state": _yaml(node.folder / "state"),
        "store": _yaml(layout.store),
        "nodes": "\n".join(facts),
        "hook": _yaml(hook),
        "fence": _yaml(HERE / "hooks" / "fence.sh"),
        "folder": _yaml(node.folder),
        "pidfile": _yaml(node.folder / "pid"),
        "port": str(node.service_port),
        "listen": f"{LOOPBACK}:{node.api_port}",
        "secret": _yaml(layout.scratch / "peer.secret"),
    }
    template = Template((HERE / "node.yaml").read_text("utf-8"))
    node.config.write_text(template.substitute(values), "utf-8")
    boot = {
        "service": ["/bin/sh", str(hook), "start", str(node.folder)],
        "controller": [sys.executable, "-m", "failover.daemon", str(node.config)],
        "scratch": str(layout.scratch),
    }
    (node.folder / "boot.json").write_text(json.dumps(boot), "utf-8")
    (node.folder / "settings").write_text(_settings(layout, node), "utf-8")


def _settings(layout: Layout, node: Node) -> str:
    """What the hooks are told, as shell variables."""
    told = {
        "port": str(node.service_port),
        "python": sys.executable,
        "pythonpath": str(HERE.parents[1]),
        **{f"port_{each.name}": str(each.service_port) for each in layout.nodes},
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in told.items())


def _yaml(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _free_ports(count: int) -> list[int]:
    """Below the range of outgoing connections: nobody takes one by chance before its server has bound it."""
    try:
        highest = int(_RANGE_OF_OUTGOING.read_text("ascii").split()[0])
    except (OSError, ValueError):
        highest = 32_768
    if highest < _LOWEST_PORT + 1000:
        highest = 32_768
    chance = random.SystemRandom()
    found: set[int] = set()
    for _ in range(1000):
        port = chance.randrange(_LOWEST_PORT, highest)
        if _can_be_bound(port):
            found.add(port)
        if len(found) == count:
            return list(found)
    raise OSError(f"fewer than {count} free ports between {_LOWEST_PORT} and {highest}")


def _can_be_bound(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
