"""The lease (S6): only an acknowledged write proves the lock, counted from when it was *sent*."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from failover.core.events import Event, LeaseRanOut, WriteOutcome
from failover.core.values import Lock
from failover.ports.store import Renewal
from failover.runtime.lease import Lease, LeaseTerms
from tests.runtime.clock import ManualClock

LOCK = Lock(7, "s1", "db1")
TERMS = LeaseTerms(renew_every_s=1.0, lease_s=4.0, demote_s=1.5, step_down=True)


class Store:
    """Takes renewals and acknowledges those that the test lets through."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[float, Callable[[Renewal], None]]] = []
        self.outcome: WriteOutcome | None = WriteOutcome.DONE

    def renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        assert (session, lock) == ("s1", LOCK)
        self.asked.append((self.clock.now_s(), answer))
        if self.outcome is not None:
            answer(Renewal(self.outcome, self.clock.now_s()))

    def acknowledge(self, number: int, outcome: WriteOutcome = WriteOutcome.DONE) -> None:
        """A late answer to the renewal of that number."""
        sent_s, answer = self.asked[number]
        answer(Renewal(outcome, sent_s))


class Held:
    """A lease under way."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Store(self.clock)
        self.posted: list[tuple[float, Event]] = []
        self.lease = Lease(self.clock, self.store.renew, self._post)

    def _post(self, event: Event) -> None:
        self.posted.append((self.clock.now_s(), event))

    def start(self, terms: LeaseTerms = TERMS) -> None:
        self.lease.start("s1", LOCK, self.clock.now_s(), terms)


@pytest.fixture
def held() -> Held:
    """A lease that has not begun."""
    return Held()


def test_a_lease_that_is_renewed_never_runs_out(held: Held) -> None:
    held.start()
    held.clock.pass_s(60.0)
    assert held.posted == []
    assert len(held.store.asked) == 60
    assert held.lease.proven_s == held.clock.now_s()
    assert held.lease.lease_s == TERMS.lease_s


def test_s6_the_demote_begins_early_enough_to_end_inside_the_lease(held: Held) -> None:
    held.start()
    held.clock.pass_s(3.0)
    last_s = held.lease.proven_s
    assert last_s is not None
    held.store.outcome = None
    held.clock.pass_s(10.0)
    assert held.posted == [(last_s + 4.0 - 1.5, LeaseRanOut("s1"))]


def test_it_says_when_the_step_down_must_begin_for_as_long_as_the_lock_is_proven(held: Held) -> None:
    assert held.lease.ends_s is None
    held.start()
    assert held.lease.ends_s == held.clock.now_s() + 4.0 - 1.5
    held.lease.stop()
    assert held.lease.ends_s is None


def test_s6_hold_moves_nothing_by_itself(held: Held) -> None:
    held.start(LeaseTerms(1.0, 4.0, 1.5, step_down=False))
    held.store.outcome = None
    held.clock.pass_s(60.0)
    assert held.posted == [(104.0, LeaseRanOut("s1"))], "told once, when the lock is in doubt; under hold no earlier"
    assert held.lease.proven_s == 100.0


@pytest.mark.parametrize("outcome", [WriteOutcome.UNKNOWN, WriteOutcome.GONE])
def test_s6_only_an_acknowledged_renewal_proves_the_lock(held: Held, outcome: WriteOutcome) -> None:
    held.start()
    held.store.outcome = outcome
    held.clock.pass_s(10.0)
    assert held.posted == [(102.5, LeaseRanOut("s1"))]
    assert held.lease.proven_s == 100.0


def test_s6_a_renewal_counts_from_when_it_was_sent_not_from_its_answer(held: Held) -> None:
    held.start()
    held.store.outcome = None
    held.clock.pass_s(2.0)
    held.store.acknowledge(0)
    assert held.lease.proven_s == 101.0
    held.clock.pass_s(10.0)
    assert held.posted == [(103.5, LeaseRanOut("s1"))]


def test_s6_answers_that_overtake_each_other_never_shorten_what_is_proven(held: Held) -> None:
    held.start()
    held.store.outcome = None
    held.clock.pass_s(2.0)
    held.store.acknowledge(1)
    held.store.acknowledge(0)
    assert held.lease.proven_s == 102.0


def test_a_renewal_that_was_sent_too_long_ago_runs_out_at_once(held: Held) -> None:
    held.lease.start("s1", LOCK, held.clock.now_s() - 9.0, TERMS)
    held.clock.pass_s(0.0)
    assert held.posted == [(100.0, LeaseRanOut("s1"))]


def test_a_lock_that_is_given_up_is_renewed_no_longer(held: Held) -> None:
    held.start()
    held.clock.pass_s(1.0)
    held.lease.stop()
    held.store.outcome = None
    held.clock.pass_s(10.0)
    assert len(held.store.asked) == 1
    assert held.posted == []
    assert held.lease.proven_s is None
    assert held.clock.waiting == 0


def test_a_late_answer_proves_nothing_about_the_next_lock(held: Held) -> None:
    held.start()
    held.store.outcome = None
    held.clock.pass_s(1.0)
    held.lease.stop()
    held.store.acknowledge(0)
    assert held.lease.proven_s is None


def test_a_store_that_is_back_is_asked_at_once_s6(held: Held) -> None:
    held.store.outcome = None
    held.start()
    held.clock.pass_s(2.4)
    held.store.outcome = WriteOutcome.DONE
    held.lease.reached()
    assert held.lease.proven_s == held.clock.now_s()
    held.clock.pass_s(10.0)
    assert held.posted == []


def test_a_store_that_is_back_is_not_asked_for_a_lock_that_nobody_holds(held: Held) -> None:
    held.lease.reached()
    assert held.store.asked == []


@pytest.mark.parametrize(
    ("outcome", "proven"),
    [(WriteOutcome.DONE, True), (WriteOutcome.GONE, False), (WriteOutcome.UNKNOWN, False)],
)
def test_s7_a_strike_asks_for_a_proof_of_its_own(held: Held, outcome: WriteOutcome, proven: bool) -> None:
    held.start()
    held.store.outcome = outcome
    answers: list[bool] = []
    held.lease.prove(answers.append)
    assert answers == [proven]
    assert len(held.store.asked) == 1


def test_s7_nothing_is_proven_without_a_lock(held: Held) -> None:
    answers: list[bool] = []
    held.lease.prove(answers.append)
    assert answers == [False]
    assert held.store.asked == []


def test_s7_a_proof_that_comes_after_the_lock_was_given_up_is_none(held: Held) -> None:
    held.start()
    held.store.outcome = None
    answers: list[bool] = []
    held.lease.prove(answers.append)
    held.lease.stop()
    held.store.acknowledge(0)
    assert answers == [False]


def test_an_acknowledgement_that_was_read_too_late_proves_nothing_before_a_strike_s7(held: Held) -> None:
    held.start()
    held.store.outcome = None
    said: list[bool] = []
    held.lease.prove(said.append)
    held.clock.sleep_s(300.0)
    held.store.acknowledge(len(held.store.asked) - 1)
    assert said == [False]


def test_under_hold_a_lease_without_renewals_puts_the_lock_in_doubt_s7(held: Held) -> None:
    """A running strike must end then; what an active does about it is the core's decision."""
    held.store.outcome = None
    held.start(LeaseTerms(renew_every_s=1.0, lease_s=4.0, demote_s=1.5, step_down=False))
    held.clock.pass_s(3.9)
    assert held.posted == []
    held.clock.pass_s(0.2)
    assert [event for _, event in held.posted] == [LeaseRanOut("s1")]


def test_a_host_that_slept_steps_down_at_once_when_it_wakes_s6(held: Held) -> None:
    held.store.outcome = None
    held.start()
    held.clock.sleep_s(60.0)
    held.clock.pass_s(1.1)
    assert held.posted[0][1] == LeaseRanOut("s1")


def test_terms_without_a_lease_or_without_room_for_the_demote_bar_the_node_and_say_what_would_help() -> None:
    assert TERMS.bar(6.0) == ""
    for step_down in (True, False):
        bar = LeaseTerms(renew_every_s=0.5, lease_s=0.0, demote_s=0.1, step_down=step_down).bar(3.0)
        assert "a session of 3 s, which leaves no lease" in bar
        assert "tickTime" in bar
    unsteady = LeaseTerms(renew_every_s=1.0, lease_s=4.0, demote_s=3.0, step_down=True)
    assert "a demote of 3 s cannot end inside its lease of 4.0 s" in unsteady.bar(6.0)
    assert LeaseTerms(1.0, 4.0, 3.0, step_down=False).bar(6.0) == "", "under hold nobody steps down"
