"""Each rule's check fires on a step that was made by hand to break it (S1-S5, S7, S8)."""

from dataclasses import replace

import pytest

from failover.core import events as happened
from failover.core.effects import Claim, Effect, Fence, HandOver, Promote, Question, TakeLock
from failover.core.events import WriteOutcome
from failover.core.invariants import check
from failover.core.state import BrokenInvariant, State
from failover.core.table import ROWS, Row
from failover.core.values import Breadcrumb, Crumb, Lock, Role, ServiceRole, Session, Settings, Verdict
from tests.core.words import identity, node

LOCK = Lock(9, "s1", "db1")
ME = identity("db1")
OURS = Breadcrumb(ME.node, 9, ME.boot_id)
THEIRS = Breadcrumb(node("db2"), 7, "boot-of-db2")


def state(role: Role, **changes: object) -> State:
    """A controller with the lock, a standby service, and a foreign dirty breadcrumb, except for the changes."""
    beliefs = State(
        ME,
        Settings(),
        role=role,
        attempt=1,
        session=Session("s1", 6.0),
        lock=LOCK,
        crumb=Crumb(THEIRS, 3),
        service=ServiceRole.STANDBY,
    )
    return replace(beliefs, **changes)  # type: ignore[arg-type]


def row(before: State, after: State) -> Row:
    """A row that allows the roles: only the rule is at stake."""
    return Row(before.role, happened.Event, lambda move, event: None, "", frozenset({after.role}))


def broken(before: State, event: happened.Event, after: State, *effects: Effect) -> str:
    """The rule that this step breaks."""
    with pytest.raises(BrokenInvariant) as refusal:
        check(before, event, after, effects, row(before, after))
    return str(refusal.value)


def claim(epoch: int = 9, version: int = 3, lock: Lock = LOCK) -> Claim:
    return Claim(1, "s1", epoch, lock, replace(OURS, epoch=epoch), version)


FENCED = happened.Fenced(1, 9, Verdict.DONE)
WON = happened.LockTaken(1, happened.TakeOutcome.WON, LOCK)


def test_a_claim_after_a_fence_that_answered_done_keeps_s1() -> None:
    before, after = state(Role.FENCING), state(Role.CLAIMING)
    check(before, FENCED, after, [claim()], row(before, after))


def test_s1_no_claim_without_the_lock() -> None:
    after = state(Role.CLAIMING, lock=None)
    assert broken(state(Role.FENCING), FENCED, after, claim()).startswith("S1: claim without the lock")


def test_s1_no_claim_with_another_lock_than_the_attempts() -> None:
    another = replace(LOCK, czxid=8)
    assert broken(state(Role.FENCING), FENCED, state(Role.CLAIMING), claim(lock=another)).startswith("S1")


def test_s1_no_claim_over_a_breadcrumb_that_cannot_be_read() -> None:
    after = state(Role.CLAIMING, crumb=Crumb(None, 3, "not JSON"))
    assert "S1: claim over a breadcrumb that cannot be read" in broken(state(Role.CAMPAIGNING), WON, after, claim())


def test_s1_no_claim_over_a_last_active_that_was_not_fenced() -> None:
    said = broken(state(Role.CAMPAIGNING), WON, state(Role.CLAIMING), claim())
    assert said == "S1: claim over db2, which may be active"


def test_s1_a_fence_of_another_attempt_allows_nothing() -> None:
    old = replace(FENCED, attempt=0)
    assert broken(state(Role.FENCING), old, state(Role.CLAIMING), claim()).startswith("S1")


def test_s1_a_cloned_host_is_not_the_last_active() -> None:
    clone = Breadcrumb(node("db1", "the-original"), 7, "")
    after = state(Role.CLAIMING, crumb=Crumb(clone, 3))
    assert broken(state(Role.CAMPAIGNING), WON, after, claim()).startswith("S1: claim over db1")


def test_s2_no_claim_on_a_version_that_was_not_read() -> None:
    said = broken(state(Role.FENCING), FENCED, state(Role.CLAIMING), claim(version=4))
    assert said == "S2: claim on a version that was not read"


@pytest.mark.parametrize("epoch", [7, 8])
def test_s2_no_claim_whose_epoch_does_not_increase(epoch: int) -> None:
    lock = replace(LOCK, czxid=5) if epoch == 7 else LOCK
    after = state(Role.CLAIMING, lock=lock)
    said = broken(state(Role.FENCING), FENCED, after, claim(epoch=epoch, lock=lock))
    assert said == "S2: the claim's epoch does not increase"


def test_s4_no_claim_up_to_the_floor_that_a_peer_has_set() -> None:
    assert broken(state(Role.FENCING), FENCED, state(Role.CLAIMING, floor=9), claim()).startswith("S4")


CLAIMED = happened.Claimed(1, 9, WriteOutcome.DONE, 4)
PROMOTING = state(Role.PROMOTING, epoch=9, crumb=Crumb(OURS, 4), written=4, pending=True, service=ServiceRole.UNKNOWN)


def test_a_promote_after_its_claim_keeps_s2() -> None:
    before = state(Role.CLAIMING)
    check(before, CLAIMED, PROMOTING, [Promote(1, 9)], row(before, PROMOTING))


@pytest.mark.parametrize(
    "event",
    [
        WON,
        replace(CLAIMED, outcome=WriteOutcome.UNKNOWN),
        replace(CLAIMED, epoch=8),
        replace(CLAIMED, attempt=0),
    ],
)
def test_s2_no_promote_before_the_breadcrumb_was_written(event: happened.Event) -> None:
    assert broken(state(Role.CLAIMING), event, PROMOTING, Promote(1, 9)).startswith("S2: promote before")


def test_s1_no_promote_without_the_lock() -> None:
    after = replace(PROMOTING, lock=None)
    assert broken(state(Role.CLAIMING), CLAIMED, after, Promote(1, 9)) == "S1: promote without the lock"


def test_s2_no_promote_under_a_foreign_breadcrumb() -> None:
    after = replace(PROMOTING, crumb=Crumb(THEIRS, 4))
    assert broken(state(Role.CLAIMING), CLAIMED, after, Promote(1, 9)).startswith("S2: promote under")


DEMOTED = happened.Demoted(1, Verdict.DONE)
DEMOTING = state(Role.DEMOTING, crumb=Crumb(OURS, 4), written=4)
HAND_OVER = HandOver(1, "s1", LOCK, replace(OURS, clean=True), 4)


def test_a_hand_over_after_a_demote_that_answered_done_keeps_s3() -> None:
    check(DEMOTING, DEMOTED, DEMOTING, [HAND_OVER], row(DEMOTING, DEMOTING))


@pytest.mark.parametrize("event", [replace(DEMOTED, verdict=Verdict.UNKNOWN), happened.ConnectionRestored()])
def test_s3_no_clean_mark_without_a_demote_that_answered_done(event: happened.Event) -> None:
    assert broken(DEMOTING, event, DEMOTING, HAND_OVER).startswith("S3: marked clean without a demote")


def test_s3_no_clean_mark_on_a_foreign_breadcrumb() -> None:
    after = replace(DEMOTING, crumb=Crumb(THEIRS, 4))
    assert broken(DEMOTING, DEMOTED, after, HAND_OVER).startswith("S3: marked clean a foreign breadcrumb")


def test_s3_no_clean_mark_that_is_not_clean() -> None:
    assert broken(DEMOTING, DEMOTED, DEMOTING, replace(HAND_OVER, record=OURS)).startswith("S3")


def test_s3_no_clean_mark_on_another_version() -> None:
    assert broken(DEMOTING, DEMOTED, DEMOTING, replace(HAND_OVER, version=5)).startswith("S3: marked clean on")


def test_s3_no_clean_mark_on_a_service_that_may_be_active() -> None:
    after = replace(DEMOTING, service=ServiceRole.UNKNOWN)
    assert broken(DEMOTING, DEMOTED, after, HAND_OVER).startswith("S3: marked clean a service")


@pytest.mark.parametrize("question", [TakeLock(2, "s1", 1), replace(HAND_OVER, attempt=0)])
def test_s4_no_question_under_an_attempt_that_is_over(question: Question) -> None:
    assert broken(DEMOTING, DEMOTED, DEMOTING, question).startswith("S4: a question under an attempt")


@pytest.mark.parametrize("verdict", [Verdict.NOT_DONE, Verdict.UNKNOWN])
def test_s5_a_fence_that_is_not_done_is_never_done(verdict: Verdict) -> None:
    said = broken(state(Role.FENCING), replace(FENCED, verdict=verdict), state(Role.CLAIMING))
    assert said == f"S5: went on after a fence that answered {verdict}"


@pytest.mark.parametrize("verdict", [Verdict.NOT_DONE, Verdict.UNKNOWN])
def test_s5_a_promote_that_is_not_done_is_never_done(verdict: Verdict) -> None:
    after = state(Role.ACTIVE, service=ServiceRole.ACTIVE)
    said = broken(PROMOTING, happened.Promoted(1, 9, verdict), after)
    assert said == "S5: went on after a promote that was not done"


@pytest.mark.parametrize("verdict", [Verdict.NOT_DONE, Verdict.UNKNOWN])
def test_s5_a_demote_that_is_not_done_is_never_done(verdict: Verdict) -> None:
    said = broken(DEMOTING, happened.Demoted(1, verdict), state(Role.OUT))
    assert said == "S5: took a failed demote for done"


def test_s4_a_lock_request_that_may_still_land_ends_the_session() -> None:
    event = happened.LockTaken(1, happened.TakeOutcome.UNKNOWN)
    said = broken(state(Role.CAMPAIGNING), event, state(Role.OUT))
    assert said == "S4: kept a session whose lock request may still land"


def fence(target: Breadcrumb = THEIRS, lock: Lock = LOCK) -> Fence:
    return Fence(1, 9, "s1", lock, target, 3)


def test_s7_a_node_never_fences_itself() -> None:
    after = state(Role.FENCING, crumb=Crumb(OURS, 3))
    assert broken(state(Role.CAMPAIGNING), WON, after, fence(OURS)) == "S7: a node fences itself"


def test_s7_nobody_but_the_last_active_is_fenced() -> None:
    another = Breadcrumb(node("db3"), 7, "")
    said = broken(state(Role.CAMPAIGNING), WON, state(Role.FENCING), fence(another))
    assert said == "S7: fences another than the last active"


@pytest.mark.parametrize("lock", [None, replace(LOCK, czxid=8)])
def test_s7_nobody_is_fenced_without_the_lock(lock: Lock | None) -> None:
    said = broken(state(Role.CAMPAIGNING), WON, state(Role.FENCING, lock=lock), fence())
    assert said == "S7: fences without the lock"


@pytest.mark.parametrize("service", [ServiceRole.UNKNOWN, ServiceRole.ACTIVE])
def test_s8_nobody_races_with_a_service_that_may_be_active(service: ServiceRole) -> None:
    """An active that takes its own lock again does so as campaigning; from anywhere else it must not."""
    role = Role.CAMPAIGNING if service is ServiceRole.UNKNOWN else Role.DEMOTING
    said = broken(state(role), happened.TimerFired("race", 1), state(role, service=service), TakeLock(1, "s1", 1))
    assert said.startswith("S8: races")


@pytest.mark.parametrize("service", [ServiceRole.UNKNOWN, ServiceRole.ACTIVE])
def test_s8_nobody_is_standby_with_a_service_that_may_be_active(service: ServiceRole) -> None:
    said = broken(state(Role.OUT), happened.ConnectionRestored(), state(Role.STANDBY, service=service))
    assert said.startswith("S8: standby")


def test_s1_nobody_is_active_without_the_lock() -> None:
    after = state(Role.ACTIVE, lock=None, service=ServiceRole.ACTIVE)
    assert broken(PROMOTING, happened.Promoted(1, 9, Verdict.DONE), after) == "S1: active without the lock"


def test_s1_nobody_is_active_with_a_service_that_is_not() -> None:
    said = broken(PROMOTING, happened.Promoted(1, 9, Verdict.DONE), state(Role.ACTIVE))
    assert said == "S1: active with a service that is not"


def test_a_row_that_ends_elsewhere_than_it_says_breaks_an_invariant() -> None:
    before, after = state(Role.ACTIVE), state(Role.OUT)
    with pytest.raises(BrokenInvariant, match="row active on HealthChanged ended in out"):
        check(before, happened.ConnectionLost(), after, [], ROWS[Role.ACTIVE, happened.HealthChanged])
