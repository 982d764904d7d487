"""The engine's promises to the core: order, lanes, deadlines, cancelling (S4), and stopping when in doubt (S10).

The core that runs in it is the real one; the edge is written out here and does nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from failover.core import events as happened
from failover.core.effects import (
    CloseSession,
    Demote,
    Effect,
    Lane,
    OpenSession,
    Promote,
    PublishMember,
    StartLease,
    TakeLock,
)
from failover.core.events import Event
from failover.core.state import BrokenInvariant, State
from failover.core.step import Step
from failover.core.values import Health, Lock, Role, ServiceRole, Session, Settings, Verdict
from failover.runtime.engine import MOST_QUEUED, Engine, Overrun, _Lane
from tests.core.words import identity
from tests.runtime.clock import ManualClock, Timer

DEADLINE_S = 5.0


class Doing:
    """An effect under way at the edge, answered or ended when the test says so."""

    def __init__(self, effect: Effect, answer: Callable[[Event], None]) -> None:
        self.effect = effect
        self.answer = answer
        self.ended: Callable[[], None] | None = None

    def end(self, ended: Callable[[], None]) -> None:
        """Told to end; it takes its time."""
        self.ended = ended

    def is_gone(self) -> None:
        """It has ended."""
        assert self.ended is not None, "nobody told it to end"
        self.ended()


class WrittenEdge:
    """Keeps what it is asked for; the test plays the world. `at_once_with`: answers given while starting."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.doing: list[Doing] = []
        self.done_at_once: list[Effect] = []
        self.at_once_with: dict[type[Effect], Event] = {}

    def start(self, effect: Effect, answer: Callable[[Event], None]) -> Doing:
        doing = Doing(effect, answer)
        self.doing.append(doing)
        if type(effect) in self.at_once_with:
            answer(self.at_once_with.pop(type(effect)))
        return doing

    def at_once(self, effect: Effect) -> None:
        self.done_at_once.append(effect)

    def deadline_s(self, effect: Effect) -> float | None:
        return None if isinstance(effect, OpenSession) else DEADLINE_S

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return self.clock.call_later(delay_s, callback)

    def lengthen(self, delay_s: float, jitter: float) -> float:
        return delay_s * (1 + jitter)

    @property
    def kinds(self) -> list[type[Effect]]:
        """What was started, in order."""
        return [type(doing.effect) for doing in self.doing]


class Running:
    """An engine under way, its edge, and what was observed."""

    def __init__(self) -> None:
        self.edge = WrittenEdge()
        self.seen: list[tuple[Event, str]] = []
        self.engine = Engine(State(identity("db1"), Settings()), self.edge, self._observe)

    def _observe(self, before: State, event: Event, result: Step) -> None:
        self.seen.append((event, result.why))

    @property
    def role(self) -> Role:
        return self.engine.state.role

    @property
    def attempt(self) -> int:
        return self.engine.state.attempt

    def last(self) -> Doing:
        """The effect that was started last."""
        return self.edge.doing[-1]

    def campaign(self) -> None:
        """From the start to a lock request."""
        self.engine.post(happened.Started(ServiceRole.STANDBY))
        self.engine.post(happened.HealthChanged(Health.HEALTHY))
        self.last().answer(happened.SessionOpened(Session("s1", 6.0)))
        self.engine.post(happened.LockSeen("s1", None))

    def promote(self) -> Doing:
        """From the start to a promote hook that runs."""
        self.campaign()
        lock = Lock(7, "s1", "db1")
        self.last().answer(happened.LockTaken(self.attempt, happened.TakeOutcome.WON, lock))
        self.last().answer(happened.Claimed(self.attempt, 7, happened.WriteOutcome.DONE, 0))
        return self.last()


@pytest.fixture
def running() -> Running:
    """A fresh engine."""
    return Running()


# --- order --------------------------------------------------------------------------------------


def test_an_answer_leads_to_the_next_effect(running: Running) -> None:
    running.promote()
    assert running.edge.kinds[-3:] == [TakeLock, running.edge.kinds[-2], Promote]
    assert running.role is Role.PROMOTING


def test_effects_without_a_lane_act_at_once_and_in_order(running: Running) -> None:
    running.promote()
    kinds = [type(effect) for effect in running.edge.done_at_once]
    assert kinds.index(StartLease) < len(kinds) - 1
    assert kinds[-1] is PublishMember


def test_an_event_that_is_posted_in_the_middle_of_a_turn_waits_for_its_turn() -> None:
    order: list[str] = []

    def observe(before: State, event: Event, result: Step) -> None:
        order.append(type(event).__name__)
        if isinstance(event, happened.Started):
            engine.post(happened.ConnectionLost())
            order.append("posted")

    engine = Engine(State(identity("db1"), Settings()), WrittenEdge(), observe)
    engine.post(happened.Started())
    assert order == ["Started", "posted", "ConnectionLost"]


def test_an_edge_may_answer_while_it_is_being_asked(running: Running) -> None:
    running.edge.at_once_with[OpenSession] = happened.SessionOpened(Session("s1", 6.0))
    running.engine.post(happened.Started(ServiceRole.STANDBY))
    assert running.engine.state.session == Session("s1", 6.0)
    assert running.engine.idle(Lane.STORE)


# --- lanes --------------------------------------------------------------------------------------


def test_a_lane_runs_one_effect_at_a_time(running: Running) -> None:
    running.campaign()
    running.last().answer(happened.LockTaken(running.attempt, happened.TakeOutcome.UNKNOWN))
    assert running.edge.kinds[-1:] == [CloseSession]
    assert not running.engine.idle(Lane.STORE)
    running.last().answer(happened.SessionClosed("s1"))
    assert running.edge.kinds[-1:] == [OpenSession]


def test_a_question_is_answered_once(running: Running) -> None:
    hook = running.promote()
    hook.answer(happened.Promoted(running.attempt, 7, Verdict.DONE))
    seen = len(running.seen)
    hook.answer(happened.Promoted(running.attempt, 7, Verdict.NOT_DONE))
    assert len(running.seen) == seen
    assert running.role is Role.ACTIVE
    assert running.engine.idle(Lane.SERVICE)


def test_s10_a_lane_that_cannot_keep_up_stops_the_controller() -> None:
    lane = _Lane(Lane.STORE, WrittenEdge(), lambda event: None)
    for number in range(MOST_QUEUED):
        lane.add(CloseSession(f"s{number}"))
    with pytest.raises(Overrun, match="more than 64 effects wait in lane store"):
        lane.add(CloseSession("one too many"))


# --- deadlines ----------------------------------------------------------------------------------


def test_s5_a_deadline_that_passes_answers_unknown_and_the_late_answer_is_dropped(running: Running) -> None:
    hook = running.promote()
    attempt = running.attempt
    running.edge.clock.pass_s(DEADLINE_S)
    assert running.seen[-1][0] == happened.Promoted(attempt, 7, Verdict.UNKNOWN, "promote did not end in time")
    assert running.role is Role.DEMOTING
    seen = len(running.seen)
    hook.answer(happened.Promoted(attempt, 7, Verdict.DONE))
    assert len(running.seen) == seen


def test_s4_a_hook_that_overran_is_ended_before_the_next_starts(running: Running) -> None:
    hook = running.promote()
    running.edge.clock.pass_s(DEADLINE_S)
    assert running.edge.kinds[-1:] == [Promote]
    hook.is_gone()
    assert running.edge.kinds[-1:] == [Demote]


def test_an_answer_in_time_stops_the_deadline(running: Running) -> None:
    hook = running.promote()
    hook.answer(happened.Promoted(running.attempt, 7, Verdict.DONE))
    running.edge.clock.pass_s(DEADLINE_S)
    assert running.role is Role.ACTIVE


def test_opening_a_session_has_no_deadline(running: Running) -> None:
    running.engine.post(happened.Started())
    assert running.edge.kinds == [OpenSession]
    assert running.edge.clock.waiting == 0


def test_a_session_that_is_not_closed_in_time_ends_by_its_own_time_out(running: Running) -> None:
    running.campaign()
    running.last().answer(happened.LockTaken(running.attempt, happened.TakeOutcome.UNKNOWN))
    running.edge.clock.pass_s(DEADLINE_S)
    assert happened.SessionClosed("s1", done=False) in [event for event, _ in running.seen]
    assert running.edge.kinds[-1:] == [OpenSession]


# --- cancelling ---------------------------------------------------------------------------------


def test_s4_a_cancelled_hook_ends_before_the_next_starts(running: Running) -> None:
    hook = running.promote()
    running.engine.post(happened.SessionEnded("s1"))
    assert running.role is Role.DEMOTING
    assert Demote not in running.edge.kinds
    hook.answer(happened.Promoted(1, 7, Verdict.DONE))
    assert Demote not in running.edge.kinds
    hook.is_gone()
    assert running.edge.kinds[-1:] == [Demote]


def test_s4_a_cancelled_hook_is_told_to_end_once(running: Running) -> None:
    hook = running.promote()
    running.engine.post(happened.SessionEnded("s1"))
    told = hook.ended
    running.edge.clock.pass_s(DEADLINE_S)
    running.engine.post(happened.DemoteDemanded("r1", identity("db1").node, 20, "db2"))
    assert hook.ended is told


def test_s4_what_waits_of_a_cancelled_attempt_never_starts(running: Running) -> None:
    hook = running.promote()
    running.engine.post(happened.SessionEnded("s1"))
    overtaken = running.attempt
    running.engine.post(happened.StopRequested())
    running.engine.post(happened.DemoteDemanded("r1", identity("db1").node, 20, "db2"))
    hook.is_gone()
    demotes = [doing.effect for doing in running.edge.doing if isinstance(doing.effect, Demote)]
    assert [effect.attempt for effect in demotes] == [overtaken]


def test_s4_a_store_transaction_cannot_be_ended_only_disowned(running: Running) -> None:
    running.campaign()
    request = running.last()
    running.engine.post(happened.HealthChanged(Health.UNHEALTHY))
    assert request.ended is None
    assert running.edge.kinds[-2:] == [TakeLock, CloseSession]
    request.answer(happened.LockTaken(1, happened.TakeOutcome.WON, Lock(7, "s1", "db1")))
    assert running.engine.state.lock is None
    assert running.edge.kinds[-1:] == [CloseSession]


# --- timers -------------------------------------------------------------------------------------


def test_a_timer_comes_back_as_an_event_with_its_jitter(running: Running) -> None:
    running.campaign()
    running.last().answer(happened.LockTaken(running.attempt, happened.TakeOutcome.UNKNOWN))
    running.edge.clock.pass_s(1.4)
    assert running.engine.state.resting
    assert running.engine.timer("rest") is not None
    running.edge.clock.pass_s(0.1)
    assert not running.engine.state.resting
    assert running.engine.timer("rest") is None


def test_a_stopped_timer_does_not_come(running: Running) -> None:
    running.campaign()
    running.last().answer(happened.LockTaken(running.attempt, happened.TakeOutcome.UNKNOWN))
    waiting = running.edge.clock.waiting
    running.engine.post(happened.ForceOrdered("ops"))
    assert running.edge.clock.waiting == waiting - 1
    running.engine.post(happened.ForceOrdered("ops"))
    assert running.edge.clock.waiting == waiting - 1


# --- the end ------------------------------------------------------------------------------------


def test_s10_a_broken_invariant_reaches_whoever_posted(running: Running) -> None:
    running.campaign()
    with pytest.raises(BrokenInvariant):
        running.engine.post(happened.Started())
    running.engine.post(happened.ConnectionLost())
    assert not running.engine.state.connected
