"""What a seed stands for: how large the cluster is, how it is configured, how hard it is hit, and for how long.

Unknown here: what the faults do, and what must hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from failover.core.values import Settings
from tests.simulation.wiring import Wiring

KILL_GRACE_S = 2.0
DOUBT_FROM = 1_000_000
"""From this seed on there is the fencing of issue 4; what older seeds mean stays as it was."""


LEVELS = (
    (("power",),),
    (("power",),),
    (("ask",), ("power",)),
    (("ask",), ("power",)),
    (("ask", "power"),),
    (("stop",), ("power",)),
    (("stop", "power"),),
    (("ask",), ("stop",)),  # never done unless the old active's controller answers
    (("stop",),),  # never done
)


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take and may take, in seconds."""

    session_timeout_s: float
    tick_s: float
    renew_every_s: float
    promote_s: float
    demote_s: float
    follow_s: float
    role_every_s: float
    chain_s: float
    calm_s: float  # when the faults stop
    end_s: float

    @property
    def lease_s(self) -> float:
        """S6: the negotiated time-out less one renewal interval and one server tick."""
        return self.session_timeout_s - self.renew_every_s - self.tick_s

    @property
    def demote_within_s(self) -> float:
        """A demote's own deadline, after a promote that had to be ended, and the look at `role` at its end."""
        return self.demote_s + KILL_GRACE_S


@dataclass(frozen=True, slots=True)
class Fencing:
    """The production chain, devices that may be wrong, probes, and operators who confirm. `wirings`: by host."""

    wirings: tuple[Wiring, ...]
    attempts: int
    confirms: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """A seed's cluster. `levels`: the fence chain. `harshness`: mean seconds between two faults."""

    seed: int
    names: tuple[str, ...]
    settings: Settings
    priorities: tuple[int, ...]
    candidates: tuple[bool, ...]
    times: Times
    levels: tuple[tuple[str, ...], ...]
    harshness_s: float
    misbehaviour: float  # the share of hooks that do not simply answer done
    adoption: bool
    positions: bool  # the service reports a replication position, and whether it may be promoted
    old_epoch: int  # of the breadcrumb that is there from the beginning; 0: none is
    events: bool  # a crash is seen by an event (pidfd), not by a poll
    fencing: Fencing | None = None  # None: the simulation's own simple chain and switches, nobody confirms

    def settings_of(self, index: int) -> tuple[int, bool]:
        return self.priorities[index], self.candidates[index]


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    scenario = _draw(seed)
    return _doubting(scenario) if seed >= DOUBT_FROM else scenario


def _doubting(scenario: Scenario) -> Scenario:
    chance = Random(f"fencing {scenario.seed}")
    wrong = chance.choice((0.0, 0.2, 0.5))
    others = [wiring for wiring in Wiring if wiring is not Wiring.RIGHT]
    wirings = tuple(chance.choice(others) if chance.random() < wrong else Wiring.RIGHT for _ in scenario.names)
    levels = chance.choice(LEVELS)
    return replace(scenario, levels=levels, fencing=Fencing(wirings, chance.choice((1, 1, 2)), chance.random() < 0.7))


def _draw(seed: int) -> Scenario:
    chance = Random(seed * 8 + 1)
    step_down = chance.random() < 0.4
    times = _times(chance, step_down)
    count = chance.choice((2, 2, 3, 3, 3, 4, 5))
    limits = Random(seed * 8 + 5)
    settings = Settings(
        step_down=step_down,
        standby_stopped=chance.random() < 0.3,
        has_follow=chance.random() < 0.4,
        has_role=chance.random() < 0.7,
        head_start_s=chance.choice((0.2, 1.0, 2.0)),
        hold_back_s=chance.choice((2.0, 5.0)),
        lease_s=times.lease_s,
        retry_first_s=chance.choice((0.5, 1.0)),
        retry_longest_s=chance.choice((2.0, 2.0, 4.0, 4.0, 6.0, 20.0)),
        within_s=chance.choice((8.0, 30.0)),
        failovers=limits.choice((1, 2, 5)),
        restarts=limits.choice((0, 0, 1, 3)),
        distrust_s=limits.choice((2.0, 10.0)),
    )
    positions = chance.random() < 0.3
    if positions:
        settings = replace(settings, max_lag=limits.choice((None, 0, 1)))
    return Scenario(
        seed=seed,
        names=tuple(f"db{number}" for number in range(1, count + 1)),
        settings=settings,
        priorities=tuple(chance.choice((0, 0, 0, 5, 10)) for _ in range(count)),
        candidates=_candidates(chance, count),
        times=times,
        levels=chance.choice(((("ask",), ("power",)), (("ask",), ("power",)), (("power",),), (("ask", "power"),))),
        harshness_s=chance.choice((1.0, 2.0, 2.0, 4.0, 8.0)),
        misbehaviour=chance.choice((0.0, 0.05, 0.15, 0.4)),
        adoption=settings.has_role and chance.random() < 0.6,
        positions=positions,
        old_epoch=chance.choice((0, 0, 0, 0, 3, 1_000_000)),
        events=chance.random() < 0.7,
    )


def _times(chance: Random, step_down: bool) -> Times:
    demote_s = chance.choice((1.0, 2.0))
    session_s = chance.choice((8.0, 10.0) if step_down else (4.0, 6.0, 10.0))
    renew_s = session_s / 6
    calm_s = chance.choice((45.0, 60.0, 80.0))
    return Times(
        session_timeout_s=session_s,
        tick_s=session_s / 10,
        renew_every_s=renew_s,
        promote_s=chance.choice((2.0, 4.0, 8.0)),
        demote_s=demote_s,
        follow_s=2.0,
        role_every_s=chance.choice((1.5, 3.0, 5.0)),
        chain_s=chance.choice((6.0, 10.0)),
        calm_s=calm_s,
        end_s=calm_s + 300.0,
    )


def _candidates(chance: Random, count: int) -> tuple[bool, ...]:
    if count < 3 or chance.random() < 0.8:
        return (True,) * count
    barred = chance.randrange(count)
    return tuple(index != barred for index in range(count))
