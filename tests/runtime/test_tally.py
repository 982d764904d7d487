"""What is counted, and under which word; every word that there can be is there from the start, with 0."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from failover.core.effects import Demote, Promote
from failover.core.events import (
    ConnectionLost,
    ControlChanged,
    Event,
    Fenced,
    HealthChanged,
    LeaseRanOut,
    MembersChanged,
    Promoted,
    SessionAdopted,
    SessionOpened,
    StopRequested,
    TimerFired,
    WriteOutcome,
)
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    Crumb,
    EndedSwitchover,
    Health,
    Identity,
    Node,
    Role,
    ServiceRole,
    Session,
    Settings,
    Switchover,
    Verdict,
)
from failover.ports.measures import DEMOTE_CAUSES, GROUNDS, HOOK_VERDICTS, QUICK_S, STORE_EVENTS, Measures, Spreading
from failover.ports.service import Result, Standing
from failover.ports.store import Renewal
from failover.runtime.causes import cause_of, grounds_of, store_event
from failover.runtime.measured import MeasuredControl
from failover.runtime.tally import Tally

ME = Identity(Node("db1", "machine-1"), "boot-1")
STATE = State(ME, Settings())
ACTIVE = replace(STATE, role=Role.ACTIVE)
CLAIMING = replace(STATE, role=Role.CLAIMING, grounds="because")


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.s = 100.0

    def now_s(self) -> float:
        return self.s


def counted(*steps: tuple[State, Event, State], stale: bool = False) -> Measures:
    """What is told after these steps. The wall clock says 1000."""
    tally = Tally(Clock().now_s, lambda: 1000.0)
    for before, event, after in steps:
        tally.observe(before, event, Step(after, (), "so", stale))
    return tally.told()


def crumb(name: str, epoch: int = 7, clean: bool = False) -> Crumb:
    return Crumb(Breadcrumb(Node(name, f"machine-of-{name}"), epoch, "boot", clean=clean), 3)


def test_every_key_is_there_before_anything_happens() -> None:
    told = counted()
    assert told.promotions == dict.fromkeys(GROUNDS, 0)
    assert told.demotions == dict.fromkeys(DEMOTE_CAUSES, 0)
    assert told.store == dict.fromkeys(STORE_EVENTS, 0)
    assert told.roles == {role.value: 0 for role in Role}
    assert {verdict for hook in told.hooks for verdict in hook.verdicts} == set(HOOK_VERDICTS)
    assert set(told.renewals) == {outcome.value for outcome in WriteOutcome} - {"conflict"}


@pytest.mark.parametrize(
    ("before", "event", "cause"),
    [
        (ACTIVE, HealthChanged(Health.UNHEALTHY), "health"),
        (ACTIVE, HealthChanged(Health.NOT_RESPONDING, gone=True), "crash"),
        (ACTIVE, MembersChanged(()), "health"),
        (ACTIVE, LeaseRanOut("s1"), "lease"),
        (ACTIVE, ControlChanged(Control()), "order"),
        (ACTIVE, StopRequested(), "stop"),
        (ACTIVE, TimerFired("settled", 1), "other"),
        (replace(STATE, role=Role.PROMOTING), Promoted(1, 7, Verdict.UNKNOWN), "promote"),
        (replace(STATE, role=Role.PROMOTING), Promoted(1, 7, Verdict.DONE), "order"),
        (STATE, SessionOpened(Session("s1", 6.0)), "standby"),
        (replace(STATE, role=Role.STANDBY), HealthChanged(Health.UNHEALTHY), "standby"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_a_demote_is_counted_by_what_led_to_it(before: State, event: Event, cause: str) -> None:
    assert cause_of(before, event) == cause
    assert counted((before, event, replace(before, role=Role.DEMOTING))).demotions[cause] == 1


@pytest.mark.parametrize(
    ("before", "after", "grounds"),
    [
        (STATE, CLAIMING, "first"),
        (STATE, replace(CLAIMING, crumb=Crumb(Breadcrumb(ME.node, 7, "boot-0"), 3)), "own"),
        (STATE, replace(CLAIMING, crumb=crumb("db2", clean=True)), "clean"),
        (replace(STATE, role=Role.FENCING), replace(CLAIMING, crumb=crumb("db2")), "fenced"),
        (STATE, replace(CLAIMING, crumb=crumb("db2")), "rebooted"),
        (
            STATE,
            replace(
                CLAIMING,
                crumb=crumb("db2"),
                control=Control(confirmed=Confirmation(Node("db2", "machine-of-db2"), 7, 3, "dora", "it is off")),
            ),
            "confirmed",
        ),
    ],
)
def test_a_promotion_is_counted_by_why_it_was_allowed(before: State, after: State, grounds: str) -> None:
    assert grounds_of(before, after) == grounds
    promoting = replace(after, role=Role.PROMOTING)
    told = counted(
        (before, TimerFired("rest", 1), after),
        (promoting, Promoted(1, 8, Verdict.DONE), replace(promoting, role=Role.ACTIVE)),
    )
    assert told.promotions[grounds] == 1
    assert sum(told.promotions.values()) == 1
    assert told.roles["active"] == 1
    assert told.role_since_s == 1000.0


def test_a_take_over_is_timed_from_the_race_to_the_service_and_one_that_failed_is_not() -> None:
    clock = Clock()
    tally = Tally(clock.now_s, lambda: 1000.0)

    def become(before: Role, event: Event, after: Role) -> None:
        tally.observe(replace(STATE, role=before), event, Step(replace(STATE, role=after), (), "so"))

    become(Role.STANDBY, TimerFired("x", 1), Role.CAMPAIGNING)
    clock.s = 200.0
    become(Role.CAMPAIGNING, TimerFired("x", 1), Role.OUT)
    become(Role.OUT, TimerFired("x", 1), Role.CAMPAIGNING)
    clock.s = 200.3
    become(Role.PROMOTING, Promoted(1, 8, Verdict.DONE), Role.ACTIVE)
    told = tally.told().takeover
    assert sum(told.counts) == 1
    assert told.sum_s == pytest.approx(0.3)


def test_moves_are_counted_and_stale_answers_are_not() -> None:
    before, after = replace(STATE, crumb=crumb("db1")), replace(STATE, crumb=crumb("db2", 8))
    told = counted((before, TimerFired("x", 1), after))
    assert told.moves == {"failover": 1, "switchover": 0, "drain": 0}
    assert told.moved_at_s == {"failover": 1000.0}
    assert counted((before, Fenced(1, 7, Verdict.DONE), after), stale=True).fences["done"] == 0


def test_switchovers_that_had_ended_before_this_process_came_are_not_counted() -> None:
    def ended(*outcomes: str) -> State:
        orders = (Switchover(str(number), "db1", "db2", 7) for number in range(len(outcomes)))
        closed = tuple(EndedSwitchover(order, outcome) for order, outcome in zip(orders, outcomes, strict=True))
        return replace(STATE, control=Control(1, ended=closed))

    first, later = ended("done"), ended("done", "failed")
    told = counted((STATE, SessionOpened(Session("s1", 6.0)), first), (first, ControlChanged(later.control), later))
    assert told.switchovers == {"done": 0, "failed": 1, "void": 0}


def test_the_store_and_fences_and_adoptions_are_counted_by_event() -> None:
    adopted = SessionAdopted(Session("s1", 6.0), Control(), (), None, Crumb(), 7, True, ServiceRole.ACTIVE)
    events = (ConnectionLost(), Fenced(1, 7, Verdict.UNKNOWN), adopted, replace(adopted, trusted=False))
    told = counted(*((STATE, event, STATE) for event in events))
    assert (told.store["connection_lost"], told.store["session_adopted"]) == (1, 2)
    assert told.fences == {"done": 0, "not_done": 0, "unknown": 1}
    assert told.adoptions == {"trusted": 1, "given_back": 1}
    assert {store_event(event) for event in events} <= {*STORE_EVENTS, ""}


def test_renewals_are_timed_where_they_were_acknowledged() -> None:
    tally = Tally(Clock().now_s)
    tally.renewed(Renewal(WriteOutcome.DONE, 99.996))
    tally.renewed(Renewal(WriteOutcome.UNKNOWN, 90.0))
    told = tally.told()
    assert told.renewals == {"done": 1, "gone": 0, "unknown": 1}
    assert told.renewal.sum_s == pytest.approx(0.004)


def test_a_spread_puts_each_duration_into_one_place_and_never_shrinks() -> None:
    spreading = Spreading((0.1, 1.0))
    for seconds in (-1.0, 0.1, 0.2, 5.0):
        spreading.add(seconds)
    told = spreading.told()
    assert told.counts == (2, 1, 1)
    assert told.sum_s == pytest.approx(5.3)
    assert len(Spreading(QUICK_S).told().counts) == len(QUICK_S) + 1


class Service:
    """Answers, or never does."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    async def promote(self, _ask: Promote) -> Result:
        self.clock.s += 2.0
        return Result(Verdict.NOT_DONE, "no")

    async def demote(self, _ask: Demote) -> Result:
        await asyncio.Event().wait()
        return Result(Verdict.DONE)

    async def role(self) -> ServiceRole:
        return ServiceRole.UNKNOWN

    async def standing(self) -> Standing:
        return Standing(bar="the backup runs")


def test_a_hook_is_counted_by_its_verdict_and_one_that_is_ended_as_that() -> None:
    clock = Clock()
    tally = Tally(clock.now_s)
    control: Any = MeasuredControl(Service(clock), tally.hook_ended, clock.now_s)  # type: ignore[arg-type]

    async def story() -> Result:
        answer: Result = await control.promote(Promote(1, 7))
        assert await control.role() is ServiceRole.UNKNOWN
        assert (await control.standing()).bar == "the backup runs"
        demote = asyncio.ensure_future(control.demote(Demote(1, 7)))
        await asyncio.sleep(0)
        demote.cancel()
        await asyncio.gather(demote, return_exceptions=True)
        return answer

    assert asyncio.run(story()) == Result(Verdict.NOT_DONE, "no"), "the answer is the service's own"
    told = {hook.name: hook for hook in tally.told().hooks}
    assert told["promote"].verdicts["not_done"] == 1
    assert told["promote"].took.sum_s == 2.0
    assert told["role"].verdicts["unknown"] == 1
    assert told["standing"].verdicts["not_done"] == 1
    assert told["demote"].verdicts["ended"] == 1
    assert sum(told["follow"].verdicts.values()) == 0
