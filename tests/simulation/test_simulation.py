"""Whole clusters under a simulated clock: no rule is broken, every row of the table is taken (S1-S8)."""

import os

from failover.core.rows import ROWS
from failover.core.values import Verdict
from tests.simulation.campaign import pinned, run_all
from tests.simulation.mistakes import catch
from tests.simulation.run import run
from tests.simulation.scenario import DOUBT_FROM
from tests.simulation.wiring import Wiring

SEEDS = (*range(300), *range(DOUBT_FROM, DOUBT_FROM + 200))
WORKERS = min(2, os.cpu_count() or 1)

# Rows that the simulated store cannot reach, because it keeps what the port promises. They stay for stores that do not.
OUT_OF_REACH = {
    ("starting", "ConnectionLost"): "a store tells nothing unasked before SessionOpened",
    ("starting", "ConnectionRestored"): "a store tells nothing unasked before SessionOpened",
    ("starting", "ControlChanged"): "a store tells nothing unasked before SessionOpened",
    ("starting", "MembersChanged"): "a store tells nothing unasked before SessionOpened",
    ("fencing", "ConnectionRestored"): "the loss before it has ended the campaign",
    ("claiming", "ConnectionRestored"): "the loss before it has failed the claim",
}
# Rows that take two coincidences: they come up in a longer run (`make sim`), and in these seeds.
RARE = {
    ("campaigning", "ConnectionRestored"),
    ("campaigning", "SessionRefused"),
    ("campaigning", "SessionClosed"),
    ("campaigning", "SessionEnded"),
    ("fencing", "DemoteDemanded"),
    ("demoting", "SessionAdopted"),
    ("claiming", "SessionEnded"),
    ("claiming", "TimerFired"),
}
# What must have happened in the doubting scenarios, so that they are worth something.
DOUBTS = {
    *(f"struck: {wiring.value}" for wiring in Wiring),
    *(f"probe: {verdict.value}" for verdict in Verdict),
    "struck: slow",
    "answered after the strike was over",
    "order: confirm",
    "order: confirm, as the fence ran or had failed",
}


def test_what_a_seed_once_found_stays_mended() -> None:
    result = run_all(list(pinned()), 1)
    assert not result.failures, result.failures[0].story


def test_no_rule_is_broken_in_five_hundred_seeds_and_every_row_is_taken() -> None:
    result = run_all(SEEDS, WORKERS)
    assert not result.failures, result.failures[0].story
    missed = set(result.tally.rows_not_taken())
    assert missed <= set(OUT_OF_REACH) | RARE, result.tally.report()
    assert len(result.tally.faults) >= 30, "hardly anything has befallen these clusters"
    assert set(result.tally.faults) >= DOUBTS, result.tally.report()


def test_only_rows_that_exist_are_excused() -> None:
    rows = {(role.value, event.__name__) for role, event in ROWS}
    assert set(OUT_OF_REACH) | RARE <= rows


def test_a_seed_is_played_again_exactly() -> None:
    first, again = run(7), run(7)
    assert first == again
    assert first.tally.steps > 100


def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    assert run_all(range(30), 1) == run_all(range(30), 2)


def test_a_failing_seed_tells_its_settings_its_last_steps_and_how_to_play_it_again() -> None:
    outcome = catch("the fence is skipped", invariants=False)
    assert outcome is not None
    story = outcome.story.splitlines()
    assert story[0].startswith(f"seed {outcome.seed}: S1: ")
    assert any(line.startswith("  settings: Settings(") for line in story)
    assert f"again: python -m tests.simulation --seed {outcome.seed}" in story
    steps = story[story.index(next(line for line in story if line.startswith("the last steps"))) + 1 :]
    assert 20 <= len(steps) <= 40
    assert any("FAULT" in line or "->" in line for line in steps)
