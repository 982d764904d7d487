"""A network of its own: a switch in a namespace without a name, one port for the tests, one for each host.

Nothing of it has a name that outlives its processes but the tests' end of one cable, and that goes with the switch.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.guardian import guardian
from tests.servers.wait import eventually

_RELAY = Path(__file__).with_name("relay.py")
_RANGE = ipaddress.ip_network("10.64.0.0/10")
TESTS_END = 254
_LARGE_FRAMES = "16000"  # a frame costs a relay the same, however large it is
_AS_NEW = {"delay_s": 0.0, "jitter_s": 0.0, "loss": 0.0, "cut": False, "block": []}


class Network:
    """A /24. Host N has address N; the tests themselves have 254."""

    def __init__(self) -> None:
        self.cable = f"lab{secrets.token_hex(4)}"
        self.subnet = _unused_subnet()
        guardian()
        self._switch = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        eventually(lambda: namespace_of(self._switch.pid) != namespace_of("self"), 5, "the switch has its namespace")
        switch = ("nsenter", "-t", str(self._switch.pid), "-n")
        run(*switch, "ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        run(*switch, "ip", "link", "set", "br0", "up")
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "tests", "netns", str(self._switch.pid))
        run(*switch, "ip", "link", "set", "tests", "master", "br0", "up")
        run("ip", "addr", "add", f"{self.address(TESTS_END)}/24", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["ip", "link", "del", self.cable], capture_output=True, timeout=10, check=False)
        self._switch.kill()
        self._switch.wait()

    @property
    def switch(self) -> int:
        """A process in the switch's namespace."""
        return self._switch.pid

    def address(self, number: int) -> str:
        """The address of host `number`."""
        return str(self.subnet[number])

    def plug_in(self, number: int, pid: int) -> None:
        """Give the network namespace of process `pid` an eth0 with the address of host `number`."""
        switch = ("nsenter", "-t", str(self._switch.pid), "-n")
        host = ("nsenter", "-t", str(pid), "-n")
        run(*switch, "ip", "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        run(*switch, "ip", "link", "set", f"p{number}", "master", "br0", "up")
        run(*host, "ip", "link", "set", "lo", "up")
        run(*host, "ip", "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
        run(*host, "ip", "link", "set", "eth0", "up")

    def unplug(self, number: int) -> None:
        """Free its port at once: the kernel takes a while to notice that a host's namespace has gone."""
        words = ["nsenter", "-t", str(self._switch.pid), "-n", "ip", "link", "del", f"p{number}"]
        subprocess.run(words, capture_output=True, timeout=10, check=False)

    def lay_cable(self, number: int, pid: int) -> Cable:
        """As `plug_in`, by a cable that delays, loses and cuts as it is told."""
        cable = Cable(pid, self._switch.pid, f"p{number}")
        switch = ("nsenter", "-t", str(self._switch.pid), "-n")
        host = ("nsenter", "-t", str(pid), "-n")
        run(*switch, "ip", "link", "set", f"p{number}", "mtu", _LARGE_FRAMES, "master", "br0", "up")
        run(*host, "ip", "link", "set", "lo", "up")
        run(*host, "ip", "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
        run(*host, "ip", "link", "set", "eth0", "mtu", _LARGE_FRAMES, "up")
        return cable


class Cable:
    """What `tests.lab.relay` is told. `out` is what the host sends, `into` what it gets."""

    def __init__(self, host_pid: int, switch_pid: int, port: str) -> None:
        self._relay = subprocess.Popen(
            [sys.executable, str(_RELAY), str(host_pid), str(switch_pid), port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect_ok()

    def set(self, out: Mapping[str, object] | None = None, into: Mapping[str, object] | None = None) -> None:
        """Change what befalls its frames, see `relay.Way`; it holds when this returns."""
        assert self._relay.stdin is not None
        self._relay.stdin.write(json.dumps({"out": out or {}, "in": into or {}}) + "\n")
        self._relay.stdin.flush()
        self._expect_ok()

    def cut(self) -> None:
        """Nothing gets out and nothing in; no end is told."""
        self.set({"cut": True}, {"cut": True})

    def mend(self) -> None:
        """As new."""
        self.set(dict(_AS_NEW), dict(_AS_NEW))

    def close(self) -> None:
        self._relay.kill()
        self._relay.communicate()

    def _expect_ok(self) -> None:
        assert self._relay.stdout is not None
        said = self._relay.stdout.readline()
        assert said == "ok\n", f"the relay said {said!r}"


def run(*words: str) -> str:
    """A command that must succeed; AssertionError with its own words otherwise."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout


def namespace_of(pid: int | str) -> str:
    """The network namespace of a process."""
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _unused_subnet() -> ipaddress.IPv4Network:
    used = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, timeout=10, check=True).stdout
    for _ in range(100):
        subnet = ipaddress.ip_network((int(_RANGE[0]) + secrets.randbelow(2**14) * 256, 24))
        assert isinstance(subnet, ipaddress.IPv4Network)
        if f" {subnet[0]}"[:-1] not in used:
            return subnet
    raise RuntimeError("no unused network was found")
