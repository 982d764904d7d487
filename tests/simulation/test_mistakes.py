"""Each rule is broken on purpose once: the simulation must notice, also when the core does not check itself (S1-S8)."""

import pytest

from tests.simulation.mistakes import MISTAKES, catch
from tests.simulation.run import run


@pytest.mark.parametrize("name", MISTAKES)
def test_a_seeded_mistake_is_caught_with_the_core_checking_itself(name: str) -> None:
    assert catch(name, invariants=True) is not None


@pytest.mark.parametrize("name", MISTAKES)
def test_a_seeded_mistake_is_caught_from_outside_alone(name: str) -> None:
    outcome = catch(name, invariants=False)
    assert outcome is not None
    assert outcome.by == "checker", outcome.story


def test_every_rule_that_the_core_keeps_has_a_mistake() -> None:
    assert {made.rule for made in MISTAKES.values()} == {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"}


def test_no_mistake_stays_behind() -> None:
    for made in MISTAKES:
        catch(made, invariants=False, most_seeds=0)
    assert run(0).breach == ""
