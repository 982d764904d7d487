"""The doubting scenarios: the production fence chain over devices that may be wrong, proofs, operators who confirm."""

import asyncio
from dataclasses import replace

import pytest

from tests.simulation.clock import HeapClock
from tests.simulation.gate import Gate
from tests.simulation.loop import SimulatedLoop
from tests.simulation.run import run
from tests.simulation.scenario import DOUBT_FROM, Fencing, draw
from tests.simulation.wiring import Wiring
from tests.simulation.world import World


def test_older_seeds_have_none_of_it() -> None:
    assert draw(DOUBT_FROM - 1).fencing is None
    assert draw(DOUBT_FROM).fencing is not None


def test_a_doubting_seed_is_played_again_exactly() -> None:
    seed = DOUBT_FROM + 15
    first, again = run(seed), run(seed)
    assert first == again
    assert first.tally.steps > 100


@pytest.mark.parametrize("levels", [(("stop",),), (("power",),)])
def test_where_no_fence_can_be_done_there_is_an_active_in_the_end_nevertheless(
    levels: tuple[tuple[str, ...], ...],
) -> None:
    """By the old active itself, by its reboot, or by an operator's word."""
    for seed in range(DOUBT_FROM, DOUBT_FROM + 20):
        scenario = draw(seed)
        wirings = (Wiring.ABSENT,) * len(scenario.names)
        world = World(replace(scenario, levels=levels, fencing=Fencing(wirings, 1, confirms=True)), 40)
        world.run()  # raises where nobody becomes active, or two do


def _loop() -> tuple[HeapClock, Gate, SimulatedLoop]:
    async def connect(name: str) -> None:
        raise ConnectionRefusedError(name)

    clock = HeapClock()
    gate = Gate(clock)
    return clock, gate, SimulatedLoop(gate, connect)


def test_time_on_the_loop_is_the_simulated_one() -> None:
    clock, _, loop = _loop()
    said: list[object] = []

    async def story() -> None:
        await asyncio.sleep(5.0)
        said.append(loop.time())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await loop.create_future()
        said.append(loop.time())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("db1", 8300)

    task = loop.create_task(story())
    clock.run_until(100.0, lambda: False)
    assert task.done()
    assert task.exception() is None
    assert said == [5.0, 7.0]


def test_a_stopped_process_stands_still_and_a_dead_one_ends_its_tasks() -> None:
    clock, gate, loop = _loop()
    said: list[float] = []

    async def story() -> None:
        for _ in range(3):
            await asyncio.sleep(1.0)
            said.append(loop.time())

    task = loop.create_task(story())
    clock.call_later(0.5, gate.stop)
    clock.call_later(10.0, gate.go_on)
    clock.run_until(10.5, lambda: False)
    assert said == [10.0]
    gate.die()
    loop.die()
    clock.run_until(30.0, lambda: False)
    assert said == [10.0]
    assert task.cancelled()
