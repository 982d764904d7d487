"""Adoption: what is kept and when, what is believed of it, and what is done in doubt (S4, S8, S10).

Engine and core are the real ones; store and edge are written out here and do nothing by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from failover.core.effects import CloseSession, Demote, OpenSession, PublishMember, StartLease, TakeLock
from failover.core.events import (
    Claimed,
    HealthChanged,
    LeaseRanOut,
    LockSeen,
    LockTaken,
    Promoted,
    SessionOpened,
    Started,
    StopRequested,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.state import State
from failover.core.values import (
    Breadcrumb,
    Control,
    Crumb,
    Health,
    Lock,
    Member,
    Node,
    Pause,
    Role,
    ServiceRole,
    Session,
    Settings,
    Verdict,
)
from failover.ports.store import Reattached, SavedSession
from failover.runtime.adoption import Adoption, Kept
from failover.runtime.engine import Engine
from tests.core.words import identity
from tests.runtime.test_engine import WrittenEdge

ME = identity("db1")
SAVED = SavedSession("s1", "0f")
LOCK = Lock(7, "s1", "db1")
CRUMB = Crumb(Breadcrumb(ME.node, 7, ME.boot_id), 3)
ACTIVE = Kept(SAVED, Role.ACTIVE, 7, 7, 3)
STANDBY = Kept(SAVED, Role.STANDBY, 0)
LIVES = Reattached(Session("s1", 6.0), Control(version=1), (), LOCK, CRUMB, sent_s=99.0)
FREE = replace(LIVES, lock=None, crumb=Crumb())


class WrittenStore:
    """Keeps what it is asked for; the test answers."""

    def __init__(self) -> None:
        self.reattaching: list[tuple[SavedSession, Callable[[Reattached], None]]] = []
        self.opening: list[Callable[[Any], None]] = []
        self.closing: list[tuple[CloseSession, Callable[[Any], None]]] = []
        self.secrets = {"s1": "0f", "s2": "1e"}

    def trouble(self) -> str:
        return ""

    def session_secret(self, session: str) -> str | None:
        return self.secrets.get(session)

    def reattach(self, ask: OpenSession, saved: SavedSession, answer: Callable[[Reattached], None]) -> None:
        self.reattaching.append((saved, answer))

    def open(self, ask: OpenSession, answer: Callable[[Any], None]) -> None:
        self.opening.append(answer)

    def close(self, ask: CloseSession, answer: Callable[[Any], None]) -> None:
        self.closing.append((ask, answer))


class AdoptingEdge(WrittenEdge):
    """The engine's edge, with what adoption needs of it."""

    def __init__(self) -> None:
        super().__init__()
        self.proven: list[float] = []

    def now_s(self) -> float:
        return self.clock.now_s()

    def from_thread(self, answer: Callable[[Any], None]) -> Callable[[Any], None]:
        return answer

    def lock_adopted(self, sent_s: float, crumb: object) -> None:
        self.proven.append(sent_s)


class Restarted:
    """A controller that was started over what a predecessor kept."""

    def __init__(
        self,
        found: Kept,
        reported: ServiceRole = ServiceRole.ACTIVE,
        floor: int = 0,
        bar: str = "",
        **settings: Any,
    ) -> None:
        self.store = WrittenStore()
        self.edge = AdoptingEdge()
        self.written: list[Kept] = []
        self.written_before: dict[str, Kept] = {}
        self.granted: list[float] = []
        state = State(ME, Settings(**{"has_role": True, **settings}), floor=floor)
        self.adoption = Adoption(self.store, self.edge, found, self.written.append, 600.0, bar)  # type: ignore[arg-type]
        self.engine = Engine(state, self.edge, lambda *_: None, self.adoption.keep)
        self.adoption.wire(self.engine, self.granted.append)
        waiting = self.adoption.waiting
        self.engine.post(Started(reported, floor, waiting))
        if waiting:
            self.adoption.begin()

    def answer(self, said: Reattached) -> Restarted:
        self.store.reattaching.pop()[1](said)
        return self

    @property
    def role(self) -> Role:
        return self.engine.state.role

    @property
    def why(self) -> str:
        return self.engine.state.why

    def doing(self, kind: type) -> Any:
        """The effect of this kind that is under way."""
        return next((one for one in self.edge.doing if isinstance(one.effect, kind)), None)


# --- what is believed ---------------------------------------------------------------------------


def test_a_settled_active_carries_on_from_the_renewal_that_proved_its_lock_s6() -> None:
    restarted = Restarted(ACTIVE).answer(LIVES)
    assert restarted.role is Role.ACTIVE
    assert restarted.engine.state.epoch == 7
    assert restarted.edge.proven == [99.0]
    assert restarted.granted == [6.0]
    assert StartLease("s1", LOCK) in restarted.edge.done_at_once
    assert not restarted.doing(Demote)
    assert restarted.written == [replace(ACTIVE, adoptions=(100.0,))]


def test_a_settled_standby_is_one_again() -> None:
    restarted = Restarted(STANDBY, ServiceRole.STANDBY).answer(FREE)
    restarted.engine.post(HealthChanged(Health.HEALTHY))
    assert restarted.role is Role.STANDBY
    assert not restarted.doing(Demote)
    assert restarted.written[-1] == replace(STANDBY, adoptions=(100.0,))
    assert restarted.edge.proven == []  # there is no lock that could be adopted: the next one is won like any other


@pytest.mark.parametrize(
    ("found", "said", "changes", "reason"),
    [
        (replace(ACTIVE, role=None), LIVES, {}, "in the middle of a change"),
        (STANDBY, LIVES, {}, "it holds the lock, although the last controller was a standby"),
        (replace(ACTIVE, czxid=6), LIVES, {}, "the lock is not the one"),
        (replace(ACTIVE, version=2), LIVES, {}, "the breadcrumb is not the version"),
        (replace(ACTIVE, epoch=6), LIVES, {}, "the breadcrumb is not the version"),
        (ACTIVE, replace(LIVES, crumb=replace(CRUMB, record=replace(CRUMB.record, clean=True))), {}, "not the version"),
        (ACTIVE, replace(LIVES, crumb=Crumb()), {}, "does not name this node"),
        (ACTIVE, replace(LIVES, crumb=Crumb(None, 3, "it is not JSON")), {}, "it is not JSON"),
        (
            ACTIVE,
            replace(LIVES, crumb=Crumb(Breadcrumb(Node("db1", "a clone"), 7, "boot"), 3)),
            {},
            "does not name this node",
        ),
        (ACTIVE, LIVES, {"floor": 7}, "epoch 7 is not above 7, under which this node was fenced"),
        (ACTIVE, LIVES, {"has_role": False}, "without control.role"),
        (ACTIVE, LIVES, {"reported": ServiceRole.STANDBY}, "the service's role is standby, not active"),
        (ACTIVE, LIVES, {"reported": ServiceRole.UNKNOWN}, "the service's role is unknown, not active"),
        (ACTIVE, LIVES, {"bar": "hooks of the last controller still run: x"}, "hooks of the last controller"),
        (replace(ACTIVE, adoptions=(10.0, 20.0)), LIVES, {}, "2 adoptions within 600 s (limits.within) are enough"),
    ],
)
def test_a_lock_that_is_held_in_doubt_is_given_back_after_a_demote(
    found: Kept, said: Reattached, changes: dict[str, Any], reason: str
) -> None:
    restarted = Restarted(found, **changes).answer(said)
    assert restarted.role is Role.DEMOTING
    assert reason in restarted.why
    assert restarted.why.startswith("adoption refused: ")
    assert restarted.doing(Demote)
    assert restarted.written[-1].role is None, "on record before the demote begins"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(STANDBY, role=None), FREE),  # S4: a lock request of the predecessor may still land
        (ACTIVE, FREE),
        (replace(STANDBY, adoptions=(10.0, 20.0)), FREE),
    ],
)
def test_a_session_in_doubt_that_holds_nothing_is_closed_before_another_is_opened(
    found: Kept, said: Reattached
) -> None:
    restarted = Restarted(found, ServiceRole.STANDBY).answer(said)
    assert not restarted.store.opening
    ask, answer = restarted.store.closing.pop()
    assert ask == CloseSession("s1")
    answer(None)
    assert restarted.written[-1].session is None
    restarted.store.opening.pop()(SessionOpened(Session("s2", 6.0)))
    assert restarted.engine.state.session == Session("s2", 6.0)
    assert restarted.written[-1] == Kept(SavedSession("s2", "1e"), Role.STANDBY, adoptions=found.adoptions)


def test_adoptions_of_long_ago_do_not_count_s10() -> None:
    restarted = Restarted(replace(ACTIVE, adoptions=(-501.0, 20.0)), within_s=600.0).answer(LIVES)
    assert restarted.role is Role.ACTIVE
    assert restarted.written[-1].adoptions == (20.0, 100.0)


def test_a_session_that_is_gone_makes_it_a_first_start_s8() -> None:
    restarted = Restarted(ACTIVE).answer(Reattached(None, detail="it has expired"))
    assert restarted.written == [Kept()]
    restarted.store.opening.pop()(SessionOpened(Session("s2", 6.0)))
    assert restarted.role is Role.DEMOTING
    assert restarted.why == "make sure that the service is standby"


def test_nothing_found_is_an_ordinary_start() -> None:
    restarted = Restarted(Kept())
    assert not restarted.store.reattaching
    assert restarted.doing(OpenSession)


def test_what_came_while_the_store_was_asked_counts_at_once() -> None:
    ill = Restarted(ACTIVE)
    ill.engine.post(HealthChanged(Health.NOT_RESPONDING, "the process ended", gone=True))
    assert ill.answer(LIVES).role is Role.DEMOTING
    drained = Restarted(ACTIVE).answer(replace(LIVES, control=Control(version=2, drained=frozenset({"db1"}))))
    assert drained.why == "drained: handing over"
    paused = Restarted(ACTIVE).answer(replace(LIVES, control=Control(version=2, pause=Pause("ops", "upgrade"))))
    assert paused.role is Role.ACTIVE


# --- what is kept -------------------------------------------------------------------------------


def test_told_to_stop_before_the_store_answered_nothing_is_taken_from_the_next_controller() -> None:
    restarted = Restarted(ACTIVE)
    restarted.engine.post(StopRequested(keep=True))
    restarted.answer(LIVES)
    assert not restarted.written
    gone = Restarted(ACTIVE)
    gone.engine.post(StopRequested(keep=True))
    gone.answer(Reattached(None, detail="it has expired"))
    assert not gone.store.opening


def test_a_demote_begun_before_the_store_answered_is_on_record() -> None:
    restarted = Restarted(ACTIVE, step_down=True, lease_s=3.0)
    restarted.edge.clock.pass_s(3.0)
    assert restarted.role is Role.DEMOTING
    assert restarted.written == [Kept(SAVED)]
    restarted.answer(LIVES)
    assert restarted.role is Role.DEMOTING
    assert restarted.engine.state.lock == LOCK


def test_nothing_is_settled_between_the_lock_request_and_the_end_of_promote() -> None:
    started = Restarted(Kept(), ServiceRole.STANDBY)
    written, post = started.written, started.engine.post
    opened = SessionOpened(Session("s1", 6.0), Control(version=1), (Member(ME.node),))
    started.doing(OpenSession).answer(opened)
    assert written == [Kept(SAVED, Role.STANDBY)]
    post(HealthChanged(Health.HEALTHY))
    post(LockSeen("s1", None))
    assert written[1:] == [Kept(SAVED)], "before the lock is asked for"
    attempt = started.doing(TakeLock).effect.attempt
    post(LockTaken(attempt, TakeOutcome.WON, LOCK))
    post(Claimed(attempt, 7, WriteOutcome.DONE, 0))
    assert len(written) == 2, "nothing is written on the way"
    post(Promoted(attempt, 7, Verdict.DONE))
    assert written[2:] == [Kept(SAVED, Role.ACTIVE, 7, 7, 0)]
    post(StopRequested(keep=True))
    assert len(written) == 3


def test_what_is_kept_is_written_before_the_effects_of_its_turn() -> None:
    restarted = Restarted(ACTIVE).answer(LIVES)
    seen: list[tuple[type, Role | None]] = []
    at_once = restarted.edge.at_once

    def watched(effect: Any) -> None:
        seen.append((type(effect), restarted.written[-1].role))
        at_once(effect)

    restarted.edge.at_once = watched  # type: ignore[method-assign]
    restarted.engine.post(HealthChanged(Health.NOT_RESPONDING))
    assert (PublishMember, None) in seen
    assert not [role for _, role in seen if role is not None]


def test_a_session_that_cannot_be_adopted_again_is_not_kept() -> None:
    started = Restarted(Kept(), ServiceRole.STANDBY)
    started.engine.post(SessionOpened(Session("a session without a secret", 6.0)))
    started.engine.post(LeaseRanOut("s0"))
    assert not started.written
