"""One seed from beginning to end, and what is said when it fails."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from failover.core.state import BrokenInvariant
from failover.runtime.engine import Overrun
from tests.simulation.breach import Breach
from tests.simulation.journal import KEPT
from tests.simulation.scenario import Scenario, draw
from tests.simulation.tally import Tally
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """`by`: who noticed: a checker of the simulation, an invariant of the core, or a row that the table lacks.

    `breach`: "" if every rule held. `story`: seed, settings, how to play it again, and the last steps."""

    seed: int
    tally: Tally
    breach: str = ""
    by: str = ""
    story: str = field(default="", repr=False)


def run(seed: int, kept: int = KEPT) -> Outcome:
    """Run one seed."""
    scenario = draw(seed)
    world = World(scenario, kept)
    try:
        world.run()
    except Breach as breach:
        return _failed(world, str(breach), "checker")
    except BrokenInvariant as broken:
        return _failed(world, str(broken), "table" if "no row" in str(broken) else "invariant")
    except Overrun as overrun:
        return _failed(world, str(overrun), "overrun")
    return Outcome(seed, world.tally)


def _failed(world: World, text: str, by: str) -> Outcome:
    world.tally.simulated_s = world.clock.now_s()
    scenario = world.scenario
    story = "\n".join(
        (
            f"seed {scenario.seed}: {text}",
            *_settings(scenario),
            f"again: python -m tests.simulation --seed {scenario.seed}",
            f"the last steps before {world.clock.now_s():.3f} s:",
            world.journal.text(),
        )
    )
    return Outcome(scenario.seed, world.tally, text, by, story)


def _settings(scenario: Scenario) -> list[str]:
    return [f"  {one.name}: {getattr(scenario, one.name)}" for one in fields(scenario) if one.name != "seed"]
