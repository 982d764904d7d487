"""Hosts that are shut down: two with one node each, a network that goes as on any host, and a client that writes.

What was said in which order is read from the journal of a host that is off. What must hold is said by the tests.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.host import Host
from tests.lab.pair import Node, Pair, unit_of
from tests.servers.wait import eventually

OFF_S = 60.0
NETWORK = "lab-network.service"
# As systemd-networkd, NetworkManager and ifupdown order themselves: up before network.target, gone after it.
_NETWORK = """[Unit]
Before=network.target
Wants=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip link set eth0 up
ExecStop=/usr/sbin/ip link set eth0 down
[Install]
WantedBy=multi-user.target
"""
_JOURNAL = "/var/log/journal"
_FENCE = "#!/bin/sh\necho fenced $1 >> /run/fenced\n"  # what it would strike is off by then: see `ends`


def prepare(host: Host) -> None:
    """A network that is stopped at shut-down, and a journal that outlives it."""
    host.write(f"/etc/systemd/system/{NETWORK}", _NETWORK)
    host.must("mkdir", "-p", _JOURNAL)
    host.write("/etc/systemd/journald.conf.d/lab.conf", "[Journal]\nStorage=persistent\nSyncIntervalSec=1s\n")
    host.must("systemctl", "restart", "systemd-journald")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "enable", "--now", NETWORK)


def service_unit(node: str, **lines: str) -> str:
    """A Redis that clients reach, and that takes a while to stop, as most services do."""
    text = unit_of(node, ExecStop="/bin/sleep 0.3", **lines)
    return text.replace("--bind 127.0.0.1", "--bind 0.0.0.0 --protected-mode no")


def ends(host: Host, word: str) -> str:
    """`systemctl poweroff` or `reboot`, until nothing of that boot runs; its id in the journal."""
    boot, init = host.must("cat", "/proc/sys/kernel/random/boot_id"), host.init()
    host.run("systemctl", "--no-block", word)

    def is_over() -> bool:
        return not Path(f"/proc/{init}").exists() and (word == "reboot" or not (host.folder / "power").exists())

    eventually(is_over, OFF_S, f"{host.name} is off after {word}")
    return boot.strip().replace("-", "")


def comes_back(host: Host, word: str) -> None:
    """The same disks, another boot; after a reboot by itself."""
    if word == "reboot":
        host.boots()
    else:
        host.power_on()


class Said:
    """What a host has logged in a boot that is over, in order: each entry with its unit."""

    def __init__(self, host: Host, boot: str) -> None:
        folder = host.folder / "up" / _JOURNAL.lstrip("/")
        command = ["journalctl", f"--directory={folder}", "--output=json", "--no-pager", f"--boot={boot}"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        self.entries: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]

    def at_s(self, words: str, unit: str = "") -> float:
        """When it was last said, by that unit or of it, on the host's monotonic clock."""
        found = [entry for entry in self.entries if words in str(entry.get("MESSAGE")) and self._of(entry, unit)]
        assert found, f"nobody has said {words!r} of {unit or 'anything'}:\n{self}"
        return int(found[-1]["__MONOTONIC_TIMESTAMP"]) / 1e6

    def _of(self, entry: dict[str, Any], unit: str) -> bool:
        return not unit or unit in (entry.get("UNIT"), entry.get("_SYSTEMD_UNIT"))

    def __str__(self) -> str:
        return "\n".join(
            f"{int(entry['__MONOTONIC_TIMESTAMP']) / 1e6:.3f} {entry.get('UNIT') or entry.get('_SYSTEMD_UNIT') or ''} "
            f"{entry.get('MESSAGE')}" for entry in self.entries[-150:]
        )  # fmt: skip


class Writer:
    """A client that writes to whichever of the services answers; `longest_s`: between two writes that were taken."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self._addresses = addresses
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest_s = 0.0
        self.writes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self.writes > 10, 10, "the client writes")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last, at = time.monotonic(), 0
        while not self._stop.wait(0.005):
            if _writes(self._addresses[at]):
                now = time.monotonic()
                self.longest_s, last = max(self.longest_s, now - last) if self.writes else 0.0, now
                self.writes += 1
            else:
                at = (at + 1) % len(self._addresses)


def _writes(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, 0.1) as connection:
            connection.settimeout(0.1)
            connection.sendall(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n")
            return connection.recv(64).startswith(b":")
    except OSError:
        return False


class Across:
    """Node a on the host that is shut down, b on the other. Each `Pair` is set up whole, and half of it is used."""

    def __init__(self, here: Pair, there: Pair) -> None:
        self.a: Node = here["a"]
        self.b: Node = there["b"]
        self.here, self.there = here, there
        for pair, node in ((here, self.a), (there, self.b)):
            pair.host.write(f"/etc/systemd/system/{node.unit}", service_unit(node.name))
            pair.host.must("systemctl", "daemon-reload")
        there.host.write("/etc/failoverd/fence", _FENCE, 0o755)

    def start(self) -> None:
        """a is active, b is standby; a comes back by itself when its host does."""
        self.here.ctl(self.a, "format")
        self.a.host.must("systemctl", "enable", "--now", self.a.controller)
        self.here.comes("a", "active")
        self.b.host.must("systemctl", "start", self.b.controller)
        self.there.comes("b", "standby")

    def writer(self) -> Writer:
        return Writer((self.a.host.address, 6391), (self.b.host.address, 6392))

    def stop(self) -> None:
        """Of b; a's host is gone with its module or its test."""
        self.there.stop()


def without_ordering(unit: Path) -> str:
    """The shipped unit as it would be without its word on the network: to see that the test would find it."""
    lines = unit.read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("After=", "Wants=network"))) + "\n"
