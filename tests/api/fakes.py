"""A controller in memory, as the API sees one, and a way to serve it. Public: other tests may use both.

It decides nothing: tests set what it shows, and it remembers what it was ordered.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from failover.api.access import Tokens
from failover.api.app import create_app
from failover.api.server import ApiServer
from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    EndedSwitchover,
    Health,
    Lock,
    Member,
    Node,
    Pause,
    Role,
    ServiceRole,
    Switchover,
    Verdict,
)
from failover.ports.controller import DemoteAnswer, HistoryLine, Operation, OrderRefused, Snapshot
from failover.ports.fence_plans import Plan, TrialAsked
from failover.ports.fences import FenceSight, Known, Struck
from failover.support.tls import TlsFiles
from fencing.peer import PeerAuth

DB1 = Node("db1", "machine-1")
DB2 = Node("db2", "machine-2")
TOKENS = (("reader", "read", "t-read"), ("dora", "operate", "t-operate"), ("root", "admin", "t-admin"))
STALE_AFTER_S = 3.0
DEADLINE_S = 10.0


def member(node: Node, role: Role = Role.STANDBY, **more: Any) -> Member:
    """A healthy, settled member."""
    told = {"session": node.name, "health": Health.HEALTHY, "settled": True, "version": "0.1.0", **more}
    return Member(node, role=role, **told)


def active_snapshot(**more: Any) -> Snapshot:
    """db1 is active under epoch 7, its lock proven just now; db2 is a healthy standby. Clock: 1000 s."""
    told: dict[str, Any] = {
        "taken_s": 1000.0,
        "service": "orders-db",
        "node": DB1,
        "role": Role.ACTIVE,
        "why": "promoted",
        "epoch": 7,
        "attempt": 3,
        "health": Health.HEALTHY,
        "health_detail": "",
        "service_role": ServiceRole.ACTIVE,
        "connected": True,
        "session": "s1",
        "session_timeout_s": 6.0,
        "lock_held": True,
        "proven_s": 999.5,
        "lease_s": 3.0,
        "holder": Lock(7, "s1", "db1"),
        "breadcrumb": Breadcrumb(DB1, 7, "boot-1", facts={"bmc": "10.0.9.11"}),
        "control": Control(version=1),
        "members": (member(DB1, Role.ACTIVE, epoch=7, address="10.0.0.11:8300"), member(DB2)),
        "candidate": True,
        "failures": 0,
        "retry_in_s": None,
        "blocked": "",
        "on_store_loss": "hold",
        "store_kind": "zookeeper",
        "version": "0.1.0",
        "started_at": "2024-05-01T02:00:00Z",
        "recent": (
            HistoryLine(
                "2024-05-01T03:00:00Z", "db1", "Promoted", Role.PROMOTING, Role.ACTIVE, 7, 3, "promote is done"
            ),
        ),
        "standby_stopped": True,
    }
    return Snapshot(**{**told, **more})


def standby_snapshot(**more: Any) -> Snapshot:
    """The same service as db2's controller sees it."""
    told = {
        "node": DB2,
        "role": Role.STANDBY,
        "why": "db1 holds the lock",
        "epoch": 0,
        "service_role": ServiceRole.STANDBY,
        "session": "s2",
        "lock_held": False,
        "proven_s": None,
        "lease_s": None,
        "recent": (),
    }
    return active_snapshot(**{**told, **more})


class InMemoryFences:
    """Shows what the controller's snapshot shows, and remembers what it was ordered."""

    def __init__(self, controller: InMemoryController) -> None:
        self._controller = controller
        self.told: tuple[Struck, ...] = ()
        self.planned: Plan | None = None

    def sight(self) -> FenceSight:
        return self._controller.shown.fences

    def strikes(self) -> tuple[Struck, ...]:
        return self.told

    async def plan(self, node: str) -> Plan:
        if self._controller.refuse is not None:
            raise self._controller.refuse
        if self.planned is None or node != self.planned.target.node.name:
            raise OrderRefused("target", f"nothing is known of {node}", 404)
        return self.planned

    async def probe(self, node: str, method: str | None, by: str) -> tuple[Known, ...]:
        self._controller._take("probe", node, method, by)
        shown = self._controller.shown.fences.known
        return tuple(one for one in shown if one.node.name == node and method in (None, one.method))

    async def test(self, ask: TrialAsked) -> Operation:
        self._controller._take("test", ask)
        return self._controller._begin("fence test", ask.node)

    async def confirm(self, node: str, reason: str, override: bool, by: str) -> Confirmation:
        self._controller._take("confirm", node, reason, override, by)
        return Confirmation(Node(node, "machine-2"), 7, 3, by, reason, "2024-05-01T03:30:00Z")

    def operation(self, id: str) -> Operation | None:  # noqa: A002
        return None


@dataclass
class InMemoryController:
    """Shows `shown` at the time `now`; `orders` are the orders it took, `refuse` what it answers instead."""

    shown: Snapshot = field(default_factory=active_snapshot)
    now: float = 1000.0
    orders: list[tuple[Any, ...]] = field(default_factory=list)
    refuse: OrderRefused | None = None
    fault: Exception | None = None
    operations: dict[str, Operation] = field(default_factory=dict)
    polls_till_done: int = 2
    outcome: str = "done"
    lines: list[dict[str, Any]] = field(default_factory=list)
    demote_answer: DemoteAnswer = field(default_factory=lambda: DemoteAnswer(Verdict.DONE, DB1, 8, "demoted"))
    _polls: int = 0

    def __post_init__(self) -> None:
        self.fences = InMemoryFences(self)

    def snapshot(self) -> Snapshot:
        if self.fault is not None:
            raise self.fault
        return self.shown

    def now_s(self) -> float:
        return self.now

    async def changes(self) -> AsyncIterator[Snapshot]:
        given: Snapshot | None = None
        while True:
            if given is not self.shown:
                given = self.shown
                yield given
            await asyncio.sleep(0.01)

    async def switchover(self, source: str | None, target: str | None, reason: str, by: str) -> Operation:
        self._take("switchover", source, target, reason, by)
        return self._begin("switchover", target)

    async def force_failover(self, target: str, reason: str, by: str) -> Operation:
        self._take("failover", target, reason, by)
        return self._begin("failover", target)

    async def pause(self, reason: str, by: str, for_s: float | None = None) -> Control:
        self._take("pause", reason, by, *([] if for_s is None else [for_s]))
        until = "" if for_s is None else "2024-05-01T05:30:00Z"
        return self._control(pause=Pause(by, reason, "2024-05-01T03:30:00Z", until))

    async def resume(self, by: str) -> Control:
        self._take("resume", by)
        return self._control(pause=None)

    async def drain(self, node: str, force: bool, by: str) -> Control:
        self._take("drain", node, force, by)
        return self._control(drained=self.shown.control.drained | {node})

    async def undrain(self, node: str, by: str) -> Control:
        self._take("undrain", node, by)
        return self._control(drained=self.shown.control.drained - {node})

    async def operation(self, id: str) -> Operation | None:  # noqa: A002
        found = self.operations.get(id)
        self._polls += 1
        if found is not None and self._polls > self.polls_till_done:
            order = Switchover(id, "db1", "db2", 7, "maintenance", "dora")
            ended = EndedSwitchover(order, self.outcome, "db2 is active", {"demoted": 120.0, "promoted": 310.5})
            found = Operation(id, found.kind, self.outcome, f"the switchover is {self.outcome}", ended)
        return found

    async def history(self) -> list[dict[str, Any]]:
        if self.refuse is not None:
            raise self.refuse
        return self.lines

    async def demand_demote(self, target: Node, epoch: int, by: str) -> DemoteAnswer:
        self._take("demand_demote", target, epoch, by)
        return self.demote_answer

    def _take(self, *order: Any) -> None:
        if self.fault is not None:
            raise self.fault
        if self.refuse is not None:
            raise self.refuse
        self.orders.append(order)

    def _begin(self, kind: str, target: str | None) -> Operation:
        begun = Operation("op-1", kind, "pending", f"db1 demotes; {target or 'the best'} is to follow")
        self.operations[begun.id] = begun
        self._polls = 0
        return begun

    def _control(self, **changes: Any) -> Control:
        self.shown = replace(self.shown, control=replace(self.shown.control, **changes))
        return self.shown.control


class ServedController:
    """The controller behind a real server in a thread of its own; use as a context manager."""

    def __init__(
        self,
        controller: InMemoryController,
        folder: Path,
        tokens: Iterable[tuple[str, str, str]] = TOKENS,
        peer_auth: PeerAuth | None = None,
        tls: TlsFiles | None = None,
        clients: Mapping[str, str] | None = None,
    ) -> None:
        self.controller = controller
        self.socket = folder / "api.sock"
        app = create_app(controller, Tokens(tokens, clients), peer_auth, STALE_AFTER_S)
        self._server = ApiServer(app, "127.0.0.1:0", self.socket, tls)
        self._scheme = "https" if tls else "http"
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> ServedController:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self.loop).result(DEADLINE_S)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self.loop).result(DEADLINE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.address or ("", 0)
        return f"{self._scheme}://{host}:{port}"
