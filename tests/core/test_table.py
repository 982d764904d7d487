"""The table is complete: what comes unasked has a row in every role, an answer where its question can be pending."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from failover.core import effects, events
from failover.core.events import Answer, Event
from failover.core.rows import ROWS
from failover.core.state import BrokenInvariant
from failover.core.table import on
from failover.core.values import Role
from tests.core.test_any_order import lived
from tests.core.world import World

ROOT = Path(__file__).parents[2]


def all_of(module: object, kind: type[Any]) -> Iterator[type[Any]]:
    """Every class of that kind that the module defines, itself and its bare bases left out."""
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, kind) and found not in (Event, Answer, effects.Effect, effects.Question):
            yield found


# What a session or a start was asked for; the roles in which it may come follow from who asks.
ASKED = {events.Started, events.SessionOpened, events.SessionAdopted, events.SessionRefused, events.SessionClosed}
# News of a session or a lock: who has none drops them as stale.
WITHOUT_SESSION = {Role.STARTING}
WITHOUT_LOCK = {Role.STARTING, Role.STANDBY, Role.CAMPAIGNING}
STALE = {
    events.SessionEnded: WITHOUT_SESSION,
    events.LockSeen: WITHOUT_SESSION,
    events.LeaseRanOut: WITHOUT_LOCK,
}

PENDING: dict[type[effects.Question], tuple[type[Answer], set[Role]]] = {
    effects.TakeLock: (events.LockTaken, {Role.CAMPAIGNING}),
    effects.Fence: (events.Fenced, {Role.FENCING}),
    effects.Claim: (events.Claimed, {Role.CLAIMING}),
    effects.Promote: (events.Promoted, {Role.PROMOTING}),
    effects.Demote: (events.Demoted, {Role.DEMOTING}),
    effects.HandOver: (events.HandedOver, {Role.DEMOTING}),
    effects.Follow: (events.Followed, {Role.OUT, Role.STANDBY}),
}


UNASKED = [event for event in all_of(events, Event) if not issubclass(event, Answer) and event not in ASKED]


@pytest.mark.parametrize("event", UNASKED, ids=lambda event: event.__name__)
def test_what_comes_unasked_has_a_row_in_every_role(event: type[Event]) -> None:
    assert {role for role in Role if (role, event) not in ROWS} == STALE.get(event, set())


def test_every_question_and_every_answer_is_accounted_for() -> None:
    assert set(PENDING) == set(all_of(effects, effects.Question))
    assert {answer for answer, _ in PENDING.values()} == set(all_of(events, Answer))


@pytest.mark.parametrize("question", PENDING, ids=lambda question: question.__name__)
def test_an_answer_has_rows_exactly_where_its_question_can_be_pending(question: type[effects.Question]) -> None:
    answer, roles = PENDING[question]
    assert {role for role, event in ROWS if event is answer} == roles


def test_roles_without_a_session_or_a_lock_never_have_one() -> None:
    for seed in range(200):
        state = lived(seed).state
        assert state.role not in WITHOUT_SESSION or state.session is None, f"seed {seed}"
        assert state.role not in WITHOUT_LOCK or state.lock is None, f"seed {seed}"


def test_questions_are_pending_only_in_those_roles() -> None:
    for seed in range(200):
        world: World = lived(seed)
        if world.owed is not None:
            assert world.state.role in PENDING[type(world.owed)][1], f"seed {seed}"


def test_every_row_says_why() -> None:
    assert [row for row in ROWS.values() if not row.reason or not row.to] == []


def test_two_rows_for_one_role_and_event_are_refused() -> None:
    with pytest.raises(BrokenInvariant, match="two rows for active on HealthChanged"):
        on(Role.ACTIVE, events.HealthChanged, lambda move, event: None, "again")


def test_the_page_in_the_documentation_is_made_from_this_table() -> None:
    made = subprocess.run(
        [sys.executable, "scripts/state_table.py", "--check"], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert made.returncode == 0, made.stderr
