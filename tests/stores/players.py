"""One controller's view of a store, as a test drives it: asks, waits for answers, remembers events."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from failover.core.effects import Claim, CloseSession, HandOver, OpenSession, TakeLock
from failover.core.events import (
    Claimed,
    Event,
    HandedOver,
    LockSeen,
    LockTaken,
    MembersChanged,
    SessionClosed,
    SessionOpened,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Breadcrumb, Control, Crumb, Health, Lock, Member, Node, Role
from failover.ports.store import ControlWritten, Reattached, Renewal, SavedSession, View
from failover.stores import FormattableStore

E = TypeVar("E", bound=Event)

WITHIN_S = 10.0
SERVICE = "orders-db"


class World(Protocol):
    """Where the stores of one test live."""

    def store(self, node: Node, service: str = SERVICE) -> FormattableStore:
        """A new store on the same records, as another process has it; it ends with the test.

        Another `service` has records of its own under the same root, made at its first store.
        """

    def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        """Let time pass until the condition holds; AssertionError when it does not in time."""

    def kill(self, player: "Player") -> None:
        """End the player's session without its doing, as a kill -9 and the time-out do."""

    def take_away(self, player: "Player") -> None:
        """Make the store unreachable for this player, who notices before this returns."""

    def bring_back(self, player: "Player") -> None:
        """Undo `take_away`."""

    def spoil(self, record: str) -> None:
        """Make the `lock`, the `breadcrumb` or the `control` record unreadable."""


class Player:
    """A store under one node's name."""

    def __init__(self, world: World, name: str, machine_id: str = "", service: str = SERVICE) -> None:
        self.world = world
        self.node = Node(name, machine_id or f"machine-of-{name}")
        self.store = world.store(self.node, service)
        self.events: list[Event] = []
        self.session = ""
        self.opened: SessionOpened | None = None
        self._answers: list[object] = []
        self._lock = threading.Lock()
        self.store.connect(self.events.append)

    def answer_to(self, ask: Callable[[Callable[[Any], None]], None]) -> Any:
        """The one answer."""
        answers: list[object] = []
        ask(answers.append)
        self.world.until(lambda: answers, f"an answer to {self.node.name}")
        assert len(answers) == 1, answers
        return answers[0]

    def open(self, **member: Any) -> "Player":
        """Open a session, which must succeed; wait until the lock has been seen."""
        event = self.open_anyhow(**member)
        assert isinstance(event, SessionOpened), event
        self.session, self.opened = event.session.id, event
        self.world.until(lambda: self.seen(LockSeen), f"{self.node.name} sees the lock")
        return self

    def open_anyhow(self, **member: Any) -> Event:
        ask = OpenSession(Member(self.node, boot_id=f"boot-of-{self.node.name}", **member))
        event: Event = self.answer_to(lambda answer: self.store.open(ask, answer))
        return event

    def saved(self) -> SavedSession:
        """What its controller keeps for a successor."""
        secret = self.store.session_secret(self.session)
        assert secret is not None
        return SavedSession(self.session, secret)

    def reattach(self, saved: SavedSession) -> Reattached:
        """Take over a session, as the controller that is started next does."""
        ask = OpenSession(Member(self.node, boot_id=f"boot-of-{self.node.name}"))
        answer: Reattached = self.answer_to(lambda answer: self.store.reattach(ask, saved, answer))
        if answer.session is not None:
            self.session = answer.session.id
            self.world.until(lambda: self.seen(LockSeen), f"{self.node.name} sees the lock")
        return answer

    def close(self) -> SessionClosed:
        ask = CloseSession(self.session)
        event: SessionClosed = self.answer_to(lambda answer: self.store.close(ask, answer))
        return event

    def take(self, control_version: int = 0, session: str | None = None) -> LockTaken:
        ask = TakeLock(1, self.session if session is None else session, control_version)
        event: LockTaken = self.answer_to(lambda answer: self.store.take(ask, answer))
        return event

    def win(self) -> LockTaken:
        taken = self.take()
        assert taken.outcome is TakeOutcome.WON, taken
        assert taken.lock is not None
        return taken

    def claim_asked(self, taken: LockTaken, **changes: Any) -> Claim:
        assert taken.lock is not None
        old = taken.crumb.record
        epoch = max(taken.lock.czxid, old.epoch + 1 if old else 1)
        record = Breadcrumb(self.node, epoch, f"boot-of-{self.node.name}", facts={"bmc": "10.0.0.9"})
        ask = Claim(1, self.session, epoch, taken.lock, record, taken.crumb.version)
        return replace(ask, **changes)

    def claim(self, taken: LockTaken, **changes: Any) -> Claimed:
        ask = self.claim_asked(taken, **changes)
        event: Claimed = self.answer_to(lambda answer: self.store.claim(ask, answer))
        return event

    def become_active(self) -> tuple[Lock, Crumb]:
        """Take and claim."""
        taken = self.win()
        claimed = self.claim(taken)
        assert claimed.outcome is WriteOutcome.DONE, claimed
        assert taken.lock is not None
        return taken.lock, Crumb(claimed.crumb.record, claimed.version)

    def hand_over(self, lock: Lock, crumb: Crumb, **changes: Any) -> HandedOver:
        assert crumb.record is not None
        ask = replace(HandOver(1, self.session, lock, crumb.record, crumb.version), **changes)
        event: HandedOver = self.answer_to(lambda answer: self.store.hand_over(ask, answer))
        return event

    def renew(self, lock: Lock, session: str | None = None) -> Renewal:
        id_ = self.session if session is None else session
        renewal: Renewal = self.answer_to(lambda answer: self.store.renew(id_, lock, answer))
        return renewal

    def write_control(self, control: Control) -> ControlWritten:
        written: ControlWritten = self.answer_to(lambda answer: self.store.write_control(control, answer))
        return written

    def view(self) -> View:
        view = self.answer_to(self.store.read_view)
        assert isinstance(view, View), view
        return view

    def history(self) -> list[dict[str, Any]]:
        entries = self.answer_to(self.store.read_history)
        assert isinstance(entries, list)
        return entries

    def publish(self, **member: Any) -> None:
        healthy = Member(self.node, role=Role.STANDBY, health=Health.HEALTHY, settled=True)
        self.store.publish(self.session, replace(healthy, **member))

    def seen(self, kind: type[E]) -> list[E]:
        """The events of this kind so far."""
        return [event for event in list(self.events) if isinstance(event, kind)]

    def holder(self) -> Lock | None:
        """The lock's holder as told last."""
        return self.seen(LockSeen)[-1].holder

    def members(self) -> tuple[Member, ...]:
        """The members as told last."""
        changed = self.seen(MembersChanged)
        if changed:
            return changed[-1].members
        return self.opened.members if self.opened else ()
