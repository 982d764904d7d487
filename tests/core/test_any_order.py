"""Whatever happens, in whatever order: no rule is broken (S1-S5, S7, S8), no row is missing, and nothing is stuck.

Each seed is one life of a controller in a hostile but truthful world; a seed that fails prints that life.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from failover.core import events as happened
from failover.core.values import Control, Health, Role
from tests.core.world import World

SEEDS = 400
STEPS = 60
PATIENCE = 60


@contextmanager
def told_when_it_fails(world: World) -> Iterator[None]:
    """Name the life that led there."""
    try:
        yield
    except BaseException as error:
        error.add_note("\n".join(world.trail[-40:]))
        raise


def lived(seed: int) -> World:
    """A life of some steps, unless the controller ended itself."""
    world = World(seed)
    with told_when_it_fails(world):
        world.start()
        for _ in range(world.chance.randrange(STEPS)):
            if world.ended is None:
                world.anything()
    return world


def until(world: World, fact: Callable[[], bool], idle: Callable[[], object]) -> None:
    """Let the world do what it owes, else `idle`, until the fact holds."""
    for _ in range(PATIENCE):
        if fact():
            return
        if not world.what_is_owed():
            idle()
    pytest.fail(f"stuck as {world.state.role.value}: {world.state.why}")


@pytest.mark.parametrize("chunk", range(4))
def test_no_order_of_events_breaks_a_rule_or_misses_a_row(chunk: int) -> None:
    for seed in range(chunk, SEEDS, 4):
        lived(seed)


@pytest.mark.parametrize("chunk", range(4))
def test_whatever_happened_a_well_meaning_world_makes_it_active(chunk: int) -> None:
    for seed in range(chunk, SEEDS, 4):
        world = lived(seed)
        if world.state.stopping:
            continue
        world.kind = True
        world.control = Control(version=world.next_number())

        def be_kind(world: World = world) -> None:
            if world.lock is not None and world.lock.node != "db1":
                world.peers_turn()
            world.take(happened.ConnectionRestored())
            world.take(happened.ControlChanged(world.control))
            world.take(happened.StandingReported())
            world.take(happened.SettingsChanged(replace(world.state.settings, candidate=True)))
            world.take(happened.MembersChanged(()))
            world.take(happened.HealthChanged(Health.HEALTHY))
            world.see_lock()
            world.fire_timer()
            if world.owed is None and world.state.follow_failed:
                world.take(happened.ForceOrdered("ops"))

        with told_when_it_fails(world):
            until(world, lambda world=world: world.state.role is Role.ACTIVE, be_kind)  # type: ignore[misc]


@pytest.mark.parametrize("chunk", range(4))
def test_whatever_happened_a_stop_ends_the_process(chunk: int) -> None:
    for seed in range(chunk, SEEDS, 4):
        world = lived(seed)
        if world.ended is not None:
            continue
        with told_when_it_fails(world):
            world.take(happened.StopRequested())
            until(world, lambda world=world: world.ended is not None, lambda world=world: world.see_lock())  # type: ignore[misc]
