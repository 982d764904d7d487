"""What is asked for now and then only: a plan, a live test. Apart, so that an idle controller is small."""

from __future__ import annotations

from dataclasses import dataclass

from failover.core.values import Breadcrumb
from failover.ports.fences import Known
from failover.ports.service import Line, Traits


@dataclass(frozen=True, slots=True)
class PlannedMethod:
    """What would be done with one method. `worst_s`: every try uses its whole deadline. `bar`: why it is not used."""

    name: str
    attempts: int
    timeout_s: float
    worst_s: float
    lines: tuple[Line, ...]
    traits: Traits
    known: Known
    bar: str = ""


@dataclass(frozen=True, slots=True)
class PlannedLevel:
    """`bar`: why this level could not end the chain, or ""."""

    number: int
    methods: tuple[PlannedMethod, ...]
    bar: str = ""


@dataclass(frozen=True, slots=True)
class Casualty:
    """Another service whose active runs on the same machine: it goes down with a power method."""

    service: str
    node: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What fencing a node would be, in order. `now`: what S1 says at this moment. `source`: where its facts are from.

    casualties None: the store did not tell. `worst_case_s`: at most the chain's own deadline, `timeout_s`.
    """

    target: Breadcrumb
    source: str
    now: str
    known_off: str
    levels: tuple[PlannedLevel, ...]
    worst_case_s: float
    timeout_s: float
    casualties: tuple[Casualty, ...] | None


@dataclass(frozen=True, slots=True)
class TrialAsked:
    """A live test of a standby. `method` None: every method of the chain that can give back what it takes."""

    node: str
    method: str | None
    reason: str
    by: str
    force: bool = False
