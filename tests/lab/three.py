"""Three hosts as an operator would set them up: ZooKeeper on each, PostgreSQL and its controller on the first two.

Every host has its own systemd, sshd, network cable and, where it has a database, a BMC with its hand on the power. The
database is kept by the shipped hooks, replicates synchronously, and is fenced by its controller, by ssh, by the BMC.
What must hold is said by the tests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from tests.lab import postgresql, report
from tests.lab.bmc import HostBmc, agent_options
from tests.lab.clients import Client, longest_gap_s, overlaps, writable
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.pair import BIN, SECRETS, put_units, start_by
from tests.servers import ipmi, sshd
from tests.servers import zookeeper as zookeeper_server
from tests.servers.guardian import scratch_folder
from tests.servers.sshd import make_key
from tests.servers.wait import eventually
from tests.servers.zookeeper import java_command
from tests.servers.zookeeper_wire import ask, mode_in

T = TypeVar("T")

SERVICE = "orders"
CONTROLLER = f"failoverd@{SERVICE}.service"
CONFIG = f"/etc/failoverd/{SERVICE}.yaml"
FULL = "/srv/full"
"""The file that fills a disk."""
SESSION_S = 12.0
_ZOOKEEPER_PORT, _API_PORT, _DATABASE_PORT = 2181, 8300, 5432
_UP_S = 60.0
_MAY_READ = {"Authorization": "Bearer t0ken-of-the-tests"}


def missing() -> list[str]:
    """What they need beside what any host needs, in words."""
    wanted = [*zookeeper_server.missing(), *sshd.missing(), *ipmi.missing(), *postgresql.missing()]
    return wanted if Path("/dev/net/tun").exists() else [*wanted, "/dev/net/tun"]


class Member:
    """A host with a database: its controller, its BMC, its clients."""

    def __init__(self, host: Host, bmc: HostBmc) -> None:
        self.host = host
        self.name = host.name
        self.bmc = bmc
        self.api = f"http://{host.address}:{_API_PORT}"
        self.outside: list[Client] = [Client(f"{self.name}-{way}", self._address, way) for way in ("on", "local")]
        self.inside = Client(f"{self.name}-inside", self._socket, "local")

    @property
    def clients(self) -> tuple[Client, ...]:
        """All of them: two come by the network, one by the host's own socket, which no fault of the network hides."""
        return (*self.outside, self.inside)

    def get(self, path: str) -> dict[str, Any]:
        """An answer of its API; {} when there is none."""
        try:
            answer = httpx.get(f"{self.api}{path}", headers=_MAY_READ, timeout=2.0)
        except httpx.TransportError:
            return {}
        told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return told

    def status(self) -> dict[str, Any]:
        return self.get("/v1/status")

    def role(self) -> str:
        return str(self.status().get("role", ""))

    def has_proven(self) -> set[str]:
        """Whom it has lately proven that it could switch off."""
        proofs = self.get("/v1/fence").get("proofs", ())
        return {one["node"] for one in proofs if one["method"] == "power" and one["proof"] == "done"}

    def main_pid(self, unit: str = CONTROLLER) -> int:
        return int(self.host.show(unit, "MainPID")[0])

    def sql(self, question: str) -> str:
        """What its database answers; '' when it does not."""
        return postgresql.ask(self.host, question)

    def log(self) -> str:
        return self.host.journal(CONTROLLER) if self.host.init() else "(off)"

    def _address(self) -> str | None:
        return self.host.address

    def _socket(self) -> str | None:
        init = self.host.init()
        folder = f"/proc/{init}/root/run/postgresql"
        return folder if init and Path(folder, f".s.PGSQL.{_DATABASE_PORT}").exists() else None


@dataclass(slots=True)
class Fault:
    """What was so when it began. `begun`: on CLOCK_MONOTONIC; set it anew at the very moment of the fault."""

    active: Member
    standby: Member
    epoch: int
    begun: float

    def begins(self) -> None:
        self.begun = time.monotonic()


class Three:
    """The hosts, set up and started: h1 is active, h2 its synchronous standby, h3 has a ZooKeeper only."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._stack = ExitStack()
        self.hosts: list[Host] = []
        self.members: dict[str, Member] = {}
        self.folder = scratch_folder("three")

    def __enter__(self) -> Self:
        with ExitStack() as building:
            self.hosts = [
                building.enter_context(Host(self.network, number, cable=True, disk="600m")) for number in (1, 2, 3)
            ]
            for host in self.hosts[:2]:
                self.members[host.name] = Member(host, building.enter_context(HostBmc(host)))
            self._set_up()
            self._start()
            for member in self.members.values():
                for client in member.clients:
                    building.callback(client.stop)
                    client.start()
            self._stack = building.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # --- set-up ---------------------------------------------------------------------------------

    def _set_up(self) -> None:
        key = make_key(self.folder / "id_fence")
        names = "".join(f"{host.address} {host.name}\n" for host in self.hosts)
        known: list[str] = []
        for host in self.hosts:
            host.write("/etc/hosts", f"127.0.0.1 localhost\n{names}")
            _set_up_zookeeper(host, self.hosts)
            known.append(_set_up_sshd(host, key, self.folder))
            host.must("systemctl", "enable", "--now", "zookeeper.service", "ssh.service")
        first, second = self.members.values()
        postgresql.set_up_first(first.host)
        postgresql.set_up_second(second.host, first.host)
        for member in self.members.values():
            self._set_up_controller(member, "".join(known))

    def _set_up_controller(self, member: Member, known_hosts: str) -> None:
        host = member.host
        put_units(host)
        start_by(host, BIN)
        postgresql.install_hooks(host)
        secrets = {
            **SECRETS,
            "bmc.secret": ipmi.PASSWORD,
            "id_fence": (self.folder / "id_fence").read_text("ascii"),
        }
        for name, text in secrets.items():
            host.write(f"/etc/failoverd/{name}", text, 0o600)
        host.write("/etc/failoverd/known_hosts", known_hosts)
        host.write(CONFIG, json.dumps(self._config(member), indent=1))
        host.must("systemctl", "daemon-reload")

    def _config(self, member: Member) -> dict[str, Any]:
        nodes = {
            name: {"address": other.host.address, "ipmi": str(other.bmc.port)} for name, other in self.members.items()
        }
        power = agent_options(self.network)
        return {
            "service": SERVICE,
            "state_dir": f"/run/failoverd/{SERVICE}",
            "store": {
                "kind": "zookeeper",
                "hosts": [f"{host.address}:{_ZOOKEEPER_PORT}" for host in self.hosts],
                "root": "/failover",
                "session_timeout": f"{SESSION_S:g}s",
                "tick_time": "200ms",
            },
            "nodes": nodes,
            "control": postgresql.CONTROL,
            "health": postgresql.HEALTH,
            "fencing": {
                "methods": {
                    "ask": {"kind": "controller", "timeout": "5s"},
                    "stop": {
                        "kind": "ssh",
                        "user": "root",
                        "key": "/etc/failoverd/id_fence",
                        "known_hosts": "/etc/failoverd/known_hosts",
                        "unit": postgresql.UNIT,
                        "ports": [_DATABASE_PORT],
                        "connect_timeout": "1s",
                        "timeout": "10s",
                    },
                    "power": {
                        "kind": "agent",
                        "agent": "fence_ipmilan",
                        "options": power,
                        "timeout": "20s",
                        "restore": True,
                    },
                },
                "levels": [["ask"], ["stop"], ["power"]],
                "probe": {"every": "10s"},
            },
            "on_store_loss": "step_down",
            "limits": {"failovers": 50, "within": "10s", "retry": {"first": "200ms", "longest": "2s"}},
            "api": {
                "listen": f"{member.host.address}:{_API_PORT}",
                "tokens": {"file": "/etc/failoverd/tokens"},
                "peer_secret": {"file": "/etc/failoverd/peer.secret"},
            },
        }

    def _start(self) -> None:
        eventually(lambda: all(self.zookeeper_mode(host) for host in self.hosts), _UP_S, "ZooKeeper serves on each")
        first, second = self.members.values()
        first.host.must(f"{BIN}/failoverctl", "format", "--config", CONFIG)
        for member, role in ((first, "active"), (second, "standby")):
            member.host.must("systemctl", "enable", "--now", CONTROLLER)
            self.eventually(lambda member=member, role=role: member.role() == role, _UP_S, f"{member.name} is {role}")  # type: ignore[misc]

    # --- what is so -----------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def zookeeper_mode(self, host: Host) -> str:
        """`leader`, `follower`, or '' when it does not serve."""
        return mode_in(ask(_ZOOKEEPER_PORT, "srvr", host.address))

    def active(self) -> Member | None:
        """Who says that it is active."""
        return next((member for member in self.members.values() if member.role() == "active"), None)

    def settled(self, within_s: float = _UP_S) -> tuple[Member, Member]:
        """The active and the standby, once all is well: synchronous replication, every ZooKeeper, every proof."""
        return self.eventually(self._all_is_well, within_s, "all is well")  # type: ignore[return-value]

    def _all_is_well(self) -> tuple[Member, Member] | None:
        roles = {member.role(): member for member in self.members.values()}
        if set(roles) != {"active", "standby"} or not all(self.zookeeper_mode(host) for host in self.hosts):
            return None
        active, standby = roles["active"], roles["standby"]
        if standby.name not in active.has_proven() or active.name not in standby.has_proven():
            return None
        replicates = active.sql("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")
        return (active, standby) if replicates in ("sync", "quorum") else None

    def epoch(self) -> int:
        """The highest epoch that anybody tells."""
        return max(int(member.status().get("epoch") or 0) for member in self.members.values())

    def check(self) -> None:
        """Never two writable primaries, and every acknowledged synchronous commit is there (S1)."""
        active, _ = self.settled()
        spans = [span for member in self.members.values() for span in writable(member.name, member.clients)]
        assert not overlaps(spans), f"two took writes at the same time: {overlaps(spans)}\n{self.logs()}"
        acknowledged = {one.number for member in self.members.values() for one in member.outside[0].written}
        kept = set(active.sql("SELECT number FROM ledger").split())
        lost = acknowledged - kept
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged commits are lost: {sorted(lost)[:5]}"

    @contextmanager
    def fault(self, words: str) -> Iterator[Fault]:
        """A fault, from a settled cluster to a settled one again; judged, measured and reported."""
        self.mend()
        active, standby = self.settled()
        fault = Fault(active, standby, self.epoch(), time.monotonic())
        yield fault
        self.settled()
        ended = time.monotonic()
        self.check()
        gaps = [
            longest_gap_s([member.outside[way] for member in self.members.values()], fault.begun, ended)
            for way in (1, 0)
        ]
        report.add(report.Row(words, self._what_happened(fault), *gaps))

    def mend(self) -> None:
        """Everything is on, connected and started, whatever a test that failed has left."""
        for host in self.hosts:
            if not host.init():
                host.power_on()
            host.thaw()
            if host.cable is not None:
                host.cable.mend()
            host.must("systemctl", "start", "zookeeper.service")
        for member in self.members.values():
            member.bmc.resume()
            member.host.run("rm", "-f", FULL)
            member.host.jump(0)
            member.host.must("systemctl", "reset-failed")
            member.host.must("systemctl", "start", CONTROLLER, timeout_s=_UP_S)

    def _what_happened(self, fault: Fault) -> str:
        """In words, from the service's history since then."""
        now, _ = self.settled()
        told = self.eventually(lambda: now.get("/v1/history?limit=1000").get("history"), 10, "the history is told")
        lines = [line for line in told if line["epoch"] > fault.epoch]
        moves = [line["why"] for line in lines if line["event"] == "Promoted"]
        if not moves:
            return "nothing moved" if self.epoch() == fault.epoch else f"{now.name} went on"
        return "; ".join(
            f"{line['node']} is active: {line['why'].partition(': ')[2]}" for line in lines if line["why"] in moves
        )

    def eventually(self, condition: Callable[[], T], within_s: float, what: str) -> T:
        """As in `tests.servers.wait`, with the logs of then if it does not come."""
        try:
            return eventually(condition, within_s, what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.logs()}") from None

    def logs(self) -> str:
        return "\n".join(f"--- {member.name}\n{member.log()[-8000:]}" for member in self.members.values())


def _set_up_zookeeper(host: Host, hosts: list[Host]) -> None:
    servers = "".join(f"server.{other.number}={other.address}:2888:3888\n" for other in hosts)
    host.write(
        "/etc/zookeeper-lab/zoo.cfg",
        f"tickTime=200\ninitLimit=25\nsyncLimit=10\nminSessionTimeout=400\nmaxSessionTimeout=40000\n"
        f"dataDir=/var/lib/zookeeper-lab\nclientPort={_ZOOKEEPER_PORT}\nadmin.enableServer=false\n"
        f"4lw.commands.whitelist=*\npreAllocSize=256\n{servers}",
    )
    host.write("/var/lib/zookeeper-lab/myid", f"{host.number}\n")
    command = " ".join(java_command(Path("/etc/zookeeper-lab/zoo.cfg")))
    host.write(
        "/etc/systemd/system/zookeeper.service",
        f"[Service]\nExecStart={command}\nRestart=always\nRestartSec=300ms\n[Install]\nWantedBy=multi-user.target\n",
    )


def _set_up_sshd(host: Host, fencer: str, folder: Path) -> str:
    """Its line in known_hosts."""
    public = make_key(folder / f"host-{host.name}")
    host.write("/etc/ssh/lab_key", (folder / f"host-{host.name}").read_text("ascii"), 0o600)
    host.write("/etc/ssh/sshd_config", "HostKey /etc/ssh/lab_key\nPermitRootLogin prohibit-password\nUsePAM no\n")
    helper = f"{BIN}/failoverctl fence-local --from-ssh --config {CONFIG}"
    host.write("/root/.ssh/authorized_keys", f'restrict,command="{helper}" {fencer}\n', 0o600)
    host.must("chmod", "700", "/root", "/root/.ssh")
    return f"{host.address} {' '.join(public.split()[:2])}\n"
