"""The servers' side of the simulated store: records, sessions, and transactions on them, each carried out at once.

It behaves as ZooKeeper does: one number for every write, ephemeral records that go with their session, versions.
Deliberately unknown here: connections, latency and faults, which are the client's side.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from failover.core.effects import Claim, HandOver, TakeLock
from failover.core.events import (
    Claimed,
    HandedOver,
    LockTaken,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Control, Crumb, Lock, Member, Node
from failover.ports.store import ControlWritten, Neighbour, View
from failover.stores.simulated.clock import Clock

MOST_ENTRIES = 200
_NO_SESSION = "this session's record is gone from the store"
_NOT_OURS = "the lock is not the one that was won: it is gone, or another's"


class Client(Protocol):
    """What the servers know of a client."""

    def changed(self, kind: str) -> None:
        """`lock`, `control` or `members` is not as it was."""

    def session_gone(self, session: str) -> None:
        """The servers have ended this session."""

    def session_moved(self, session: str) -> None:
        """Another client has resumed this session."""


@dataclass(slots=True)
class Records:
    """Everything under one service's path, as a server shows it."""

    lock: Lock | None = None
    crumb: Crumb = field(default_factory=Crumb)
    control: Control = field(default_factory=lambda: Control(version=0))
    members: dict[str, Member] = field(default_factory=dict)

    def copy(self) -> Records:
        """A copy that later writes do not reach: what a cut-off follower goes on showing."""
        return Records(self.lock, self.crumb, self.control, dict(self.members))

    def view(self) -> View:
        """The records as one value; members by name."""
        return View(self.lock, self.crumb, self.control, self.present())

    def present(self) -> tuple[Member, ...]:
        """The members by name."""
        return tuple(member for _, member in sorted(self.members.items()))


class SimulatedEnsemble:
    """The servers. `latency_s`: the shortest and longest way of a message, in seconds."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        session_timeout_s: float = 6.0,
        tick_s: float = 2.0,
        latency_s: tuple[float, float] = (0.0005, 0.005),
    ) -> None:
        self.clock = clock
        self.rng = rng
        self.session_timeout_s = session_timeout_s
        self.tick_s = tick_s
        self.latency_s = latency_s
        self.formatted = True
        self.zxid = 0
        self.records = Records()
        self.history: list[dict[str, Any]] = []
        self.beside: dict[str, SimulatedEnsemble] = {}  # other services under the same root
        self.sessions: dict[str, Client] = {}
        self._clients: list[Client] = []
        self._sessions_made = 0

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The other services, by name."""
        found = ((name, other.records) for name, other in sorted(self.beside.items()))
        return tuple(
            Neighbour(name, records.lock, records.crumb) for name, records in found if records.crumb.version >= 0
        )

    # --- sessions -------------------------------------------------------------------------------

    def join_clients(self, client: Client) -> None:
        """From now on this client hears of changes."""
        self._clients.append(client)

    def leave_clients(self, client: Client) -> None:
        """It does not any more."""
        if client in self._clients:
            self._clients.remove(client)

    def new_session(self, client: Client) -> str:
        """A new session's id."""
        self.zxid += 1
        self._sessions_made += 1
        session = f"{0x1000 + self._sessions_made:x}"
        self.sessions[session] = client
        return session

    def secret(self, session: str) -> str:
        """By which a client can resume the session."""
        return session[::-1].encode().hex()

    def move_session(self, session: str, client: Client) -> bool:
        """This client resumes the session; False: there is none."""
        before = self.sessions.get(session)
        if before is not None and before is not client:
            before.session_moved(session)
            self.sessions[session] = client
        return before is not None

    def renew_session(self, session: str, node: Node) -> str:
        """A write to the session's own record; why the session is not as it should be, or ""."""
        self.zxid += 1
        member = self.records.members.get(node.name)
        if session not in self.sessions:
            return _NO_SESSION
        return "" if member is not None and member.session == session else f"{node.name} has no member record (S9)"

    def end_session(self, session: str) -> None:
        """Closed, expired, or ended by an operator: its ephemeral records go."""
        client = self.sessions.pop(session, None)
        if client is None:
            return
        self.zxid += 1
        records = self.records
        if records.lock is not None and records.lock.session == session:
            records.lock = None
            self._tell("lock")
        for name in [name for name, one in records.members.items() if one.session == session]:
            del records.members[name]
            self._tell("members")
        client.session_gone(session)

    def join(self, session: str, member: Member) -> tuple[str, str]:
        """Write session and member record: ("joined" | "wait" | "refused" | "gone", why)."""
        if session not in self.sessions:
            return "gone", _NO_SESSION
        if not self.formatted:
            return "unformatted", "the store is not formatted: run `failoverctl format CONFIG`"
        other = self.records.members.get(member.node.name)
        if other is None:
            self.zxid += 1
            self.records.members[member.node.name] = replace(member, session=session)
            self._tell("members")
        elif other.session != session:
            if other.node.machine_id == member.node.machine_id:
                return "wait", ""
            return "refused", (
                f"another controller is called {member.node.name}: session {other.session} on the machine"
                f" with id {other.node.machine_id} (this one's is {member.node.machine_id})"
            )
        return "joined", ""

    # --- transactions ---------------------------------------------------------------------------

    def take(self, ask: TakeLock, session: str, node: Node) -> LockTaken:
        """Create the lock, checking the asker's session record and the control record's version."""
        records = self.records
        if ask.session not in self.sessions or ask.session != session:
            return LockTaken(ask.attempt, TakeOutcome.GONE, detail=_NO_SESSION)
        if ask.control_version != records.control.version:
            why = records.control.error or "the control record was changed meanwhile"
            return LockTaken(ask.attempt, TakeOutcome.CONTROL, control=records.control, detail=why)
        if records.lock is None:
            self.zxid += 1
            records.lock = Lock(self.zxid, session, node.name)
            self._tell("lock")
        won = records.lock.session == session
        outcome = TakeOutcome.WON if won else TakeOutcome.HELD
        return LockTaken(ask.attempt, outcome, records.lock, records.crumb)

    def claim(self, ask: Claim, session: str) -> Claimed:
        """Write the breadcrumb by compare-and-set; the session's record and the lock must be the asker's."""
        records = self.records
        gone = self._why_not_ours(ask.session, session, ask.lock)
        if gone:
            return Claimed(ask.attempt, ask.epoch, WriteOutcome.GONE, detail=gone)
        self.zxid += 1
        if ask.version != records.crumb.version or records.crumb.error:
            why = records.crumb.error or "the breadcrumb was changed meanwhile"
            return Claimed(ask.attempt, ask.epoch, WriteOutcome.CONFLICT, crumb=records.crumb, detail=why)
        records.crumb = Crumb(ask.record, records.crumb.version + 1)
        self._tell("lock")
        version = records.crumb.version
        return Claimed(ask.attempt, ask.epoch, WriteOutcome.DONE, version, records.crumb)

    def hand_over(self, ask: HandOver, session: str) -> HandedOver:
        """Mark the breadcrumb clean and delete the lock, both or neither."""
        records = self.records
        gone = self._why_not_ours(ask.session, session, ask.lock)
        if gone:
            return HandedOver(ask.attempt, WriteOutcome.GONE, detail=gone)
        if ask.version < 0 or ask.version != records.crumb.version or records.crumb.error:
            why = records.crumb.error or "the breadcrumb was changed meanwhile"
            return HandedOver(ask.attempt, WriteOutcome.CONFLICT, records.crumb.version, why)
        self.zxid += 1
        records.crumb = Crumb(replace(ask.record, clean=True), records.crumb.version + 1)
        records.lock = None
        self._tell("lock")
        return HandedOver(ask.attempt, WriteOutcome.DONE, records.crumb.version)

    def renew(self, asked: str, session: str, lock: Lock) -> tuple[WriteOutcome, str]:
        """A write to the session's own record, and the proof that the lock is the attempt's."""
        gone = self._why_not_ours(asked, session, lock)
        if not gone:
            self.zxid += 1
        return (WriteOutcome.GONE, gone) if gone else (WriteOutcome.DONE, "")

    def _why_not_ours(self, asked: str, session: str, lock: Lock) -> str:
        held = self.records.lock
        if asked not in self.sessions or asked != session:
            return _NO_SESSION
        if held is None or held.session != session or held.czxid != lock.czxid:
            return _NOT_OURS
        return ""

    def publish(self, session: str, member: Member) -> None:
        """Write the member record of a session that has joined."""
        old = self.records.members.get(member.node.name)
        if session in self.sessions and old is not None and old.session == session:
            self.zxid += 1
            self.records.members[member.node.name] = replace(member, session=session)
            self._tell("members")

    def write_control(self, control: Control) -> ControlWritten:
        """Compare-and-set of the control record."""
        now = self.records.control
        if now.error or control.version != now.version:
            why = now.error or "the control record was changed meanwhile"
            return ControlWritten(WriteOutcome.CONFLICT, now, why)
        self.zxid += 1
        self.records.control = replace(control, version=now.version + 1)
        self._tell("control")
        return ControlWritten(WriteOutcome.DONE, self.records.control)

    def append_history(self, entries: list[dict[str, Any]]) -> None:
        """Add entries, dropping the oldest beyond the bound."""
        self.history.extend(entries)
        del self.history[:-MOST_ENTRIES]

    # --- faults in the records ------------------------------------------------------------------

    def spoil_breadcrumb(self, error: str = "ActiveBreadCrumb cannot be read: not JSON") -> None:
        """The breadcrumb cannot be read any more."""
        self.records.crumb = Crumb(None, self.records.crumb.version + 1, error)
        self._tell("lock")

    def spoil_control(self, error: str = "control cannot be read: not JSON") -> None:
        """The control record cannot be read any more."""
        self.records.control = Control(version=self.records.control.version + 1, error=error)
        self._tell("control")

    def spoil_lock(self) -> None:
        """The lock's bytes cannot be read any more: it is held by an unknown node."""
        if self.records.lock is not None:
            self.records.lock = replace(self.records.lock, node="")
            self._tell("lock")

    def delete_lock(self) -> None:
        """Somebody deletes the lock by hand, while its holder's session lives."""
        self.records.lock = None
        self._tell("lock")

    def _tell(self, kind: str) -> None:
        for client in self._clients:
            client.changed(kind)

    def way_s(self) -> float:
        """How long one message travels."""
        shortest, longest = self.latency_s
        return shortest + (longest - shortest) * self.rng.random()
