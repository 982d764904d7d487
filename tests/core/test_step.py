"""Stale answers die in one place (S4), a missing row raises (S10), and each question has an answer for its deadline."""

from dataclasses import replace

import pytest

from failover.core import events as happened
from failover.core.effects import (
    Claim,
    CloseSession,
    Demote,
    Fence,
    Follow,
    HandOver,
    Promote,
    Question,
    TakeLock,
)
from failover.core.state import BrokenInvariant, State, changed
from failover.core.step import stale, step
from failover.core.values import Breadcrumb, Lock, Role, ServiceRole, Session, Settings, Verdict
from tests.core.words import identity, node

LOCK = Lock(9, "s1", "db1")
CRUMB = Breadcrumb(node("db2"), 7, "")
STATE = State(identity("db1"), Settings(), Role.STANDBY, attempt=3, session=Session("s1", 6.0), timers={"rest": 4})


@pytest.mark.parametrize(
    "event",
    [
        happened.Fenced(2, 9, Verdict.DONE),
        happened.Promoted(2, 9, Verdict.DONE),
        happened.LockTaken(2, happened.TakeOutcome.WON, LOCK),
        happened.RoleReported(ServiceRole.ACTIVE, asked=2),
        happened.SessionEnded("s0"),
        happened.LockSeen("s0", LOCK),
        happened.LeaseRanOut("s0"),
        happened.LeaseRanOut("s1"),
        happened.TimerFired("rest", 3),
        happened.TimerFired("race", 4),
    ],
    ids=lambda event: type(event).__name__,
)
def test_s4_what_belongs_to_something_that_is_over_changes_nothing(event: happened.Event) -> None:
    after = step(STATE, event)
    assert after.stale
    assert after.state is STATE
    assert after.effects == ()
    assert "over" in after.why or "meanwhile" in after.why


@pytest.mark.parametrize(
    "event",
    [
        happened.Followed(3, 7, Verdict.DONE),
        happened.RoleReported(ServiceRole.STANDBY, asked=3),
        happened.SessionEnded("s1"),
        happened.TimerFired("rest", 4),
        happened.SessionClosed("s0"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_belongs_to_the_present_attempt_is_not_stale(event: happened.Event) -> None:
    assert stale(STATE, event) == ""


def test_nothing_is_decided_once_the_process_was_told_to_end() -> None:
    standby = replace(STATE, service=ServiceRole.STANDBY)
    kept = step(standby, happened.StopRequested(keep=True)).state
    assert kept.session == STATE.session
    assert step(kept, happened.SessionEnded("s1")).stale
    assert step(kept, happened.StopRequested()).stale


@pytest.mark.parametrize(("kept", "told"), [(9, 0), (0, 9), (9, 7)])
def test_s4_the_floor_that_was_kept_on_disk_never_sinks(kept: int, told: int) -> None:
    starting = State(identity("db1"), Settings(), floor=kept)
    assert step(starting, happened.Started(floor=told)).state.floor == 9


def test_s10_an_event_that_has_no_row_stops_the_controller() -> None:
    with pytest.raises(BrokenInvariant, match="no row for standby on Started"):
        step(STATE, happened.Started())


def test_s10_an_effect_that_needs_the_lock_stops_a_controller_that_has_none() -> None:
    with pytest.raises(BrokenInvariant, match="S1: standby without the lock"):
        STATE.held()


QUESTIONS: list[Question] = [
    TakeLock(3, "s1", 1),
    Claim(3, "s1", 9, LOCK, CRUMB, 0),
    HandOver(3, "s1", LOCK, CRUMB, 0),
    Promote(3, 9),
    Demote(3, 9),
    Follow(3, 9, "db2", ""),
    Fence(3, 9, "s1", LOCK, CRUMB, 0),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: type(question).__name__)
def test_s5_a_deadline_that_passes_is_an_unknown_answer_of_the_same_attempt(question: Question) -> None:
    answer = question.unanswered()
    assert isinstance(answer, happened.Answer)
    assert answer.attempt == question.attempt
    assert "unknown" in (getattr(answer, "verdict", ""), getattr(answer, "outcome", ""))


def test_a_session_whose_end_is_not_acknowledged_ends_by_its_time_out() -> None:
    assert CloseSession("s1").unanswered() == happened.SessionClosed("s1", done=False)


def test_a_question_must_say_what_stands_for_its_deadline() -> None:
    with pytest.raises(NotImplementedError):
        Question(1).unanswered()


def test_a_field_that_a_state_does_not_have_cannot_be_changed() -> None:
    with pytest.raises(BrokenInvariant, match="no field"):
        changed(STATE, {"rolle": Role.OUT})


def test_a_changed_state_is_what_replacing_would_give() -> None:
    assert changed(STATE, {"role": Role.OUT, "attempt": 7}) == replace(STATE, role=Role.OUT, attempt=7)
