"""What a metric is: a name, a help text, labels with bounded values, and how it is read from a snapshot.

Knows no library. Every metric also bears `service` and `node`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from failover.core.values import Health, Role, ServiceRole
from failover.ports.controller import Snapshot
from failover.ports.measures import (
    ADOPTIONS,
    DEMOTE_CAUSES,
    GROUNDS,
    HOOK_VERDICTS,
    HOOKS,
    MOVES,
    RENEWALS,
    STORE_EVENTS,
    SWITCHOVER_OUTCOMES,
    VERDICTS,
    Asked,
    Counts,
    Spread,
)

PREFIX = "failoverd_"
Kind = Literal["gauge", "counter", "histogram"]
Value = float | Spread
Reading = tuple[tuple[str, ...], Value]
Read = Callable[[Snapshot, float], Iterable[Reading]]


@dataclass(frozen=True, slots=True)
class Label:
    """A label. `values`: all that there can be, or () where the configuration says; then `most` of them."""

    about: str
    values: tuple[str, ...] = ()
    most: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `name` ends in its unit, a counter's in `_total`. `read`: label values and value of each series."""

    name: str
    kind: Kind
    help: str
    read: Read
    labels: Mapping[str, Label]

    @property
    def full_name(self) -> str:
        return PREFIX + self.name


def one(name: str, about: str, read: Callable[[Snapshot, float], float | bool | None]) -> Metric:
    """A gauge without labels of its own; None: there is nothing to tell now."""
    return Metric(name, "gauge", about, lambda snapshot, now_s: _one(read(snapshot, now_s)), {})


def states(name: str, about: str, label: tuple[str, Label], read: Callable[[Snapshot], str]) -> Metric:
    """One gauge for each value of the label: 1 for the present one, 0 for all others."""
    key, values = label

    def readings(snapshot: Snapshot, _now_s: float) -> Iterable[Reading]:
        present = read(snapshot)
        return [((value,), float(value == present)) for value in values.values]

    return Metric(name, "gauge", about, readings, {key: values})


def counted(name: str, about: str, label: tuple[str, Label], read: Callable[[Snapshot], Counts]) -> Metric:
    """A counter for each value of the label."""
    key, values = label

    def readings(snapshot: Snapshot, _now_s: float) -> Iterable[Reading]:
        return [((value,), float(number)) for value, number in read(snapshot).items()]

    return Metric(name, "counter", about, readings, {key: values})


def total(name: str, about: str, read: Callable[[Snapshot], float]) -> Metric:
    """A counter without labels of its own."""
    return Metric(name, "counter", about, lambda snapshot, _now_s: [((), float(read(snapshot)))], {})


def spread(name: str, about: str, read: Callable[[Snapshot], Spread]) -> Metric:
    """A histogram without labels of its own."""
    return Metric(name, "histogram", about, lambda snapshot, _now_s: [((), read(snapshot))], {})


def verdicts(asked: Iterable[Asked]) -> list[Reading]:
    """How often each was done, by what came of it."""
    return [((one.name, verdict), float(number)) for one in asked for verdict, number in one.verdicts.items()]


def durations(asked: Iterable[Asked]) -> list[Reading]:
    """How long each took."""
    return [((one.name,), one.took) for one in asked]


def _one(value: float | bool | None) -> list[Reading]:
    return [] if value is None else [((), float(value))]


# --- labels -------------------------------------------------------------------------------------

MOST_PEERS = 64
ROLE = ("role", Label("a controller's role", tuple(role.value for role in Role)))
SERVICE_ROLE = ("role", Label("what a service is", tuple(role.value for role in ServiceRole)))
HEALTH = ("health", Label("what probes say", tuple(health.value for health in Health)))
BAD_HEALTH = ("health", Label("what a probe found", tuple(health.value for health in Health if health.bad)))
VERDICT = ("verdict", Label("what came of it", VERDICTS))
HOOK_VERDICT = ("verdict", Label("what came of it; `ended`: its attempt was over", HOOK_VERDICTS))
HOOK = ("hook", Label("the question to the service; `standing`: `position` and `ready`, together", HOOKS))
GROUND = (
    "grounds",
    Label(
        "why it was allowed (S1): nobody was active before, this node was, the last active stepped down cleanly, was "
        "fenced, has rebooted since, or an operator has confirmed that it is off",
        GROUNDS,
    ),
)
CAUSE = (
    "cause",
    Label(
        "what led to it; `role`: the service said standby, `promote`: it failed, `lock`: it was lost, `demand`: "
        "of a peer, `standby`: one that was not active made sure that its service is not active (S8)",
        DEMOTE_CAUSES,
    ),
)
MOVE = ("kind", Label("what kind of move", MOVES))
OUTCOME = ("outcome", Label("how it ended", SWITCHOVER_OUTCOMES))
RENEWAL = ("outcome", Label("what the store answered", RENEWALS))
STORE_EVENT = ("event", Label("what happened", STORE_EVENTS))
ADOPTION = ("outcome", Label("`given_back`: in doubt, demoted and released", ADOPTIONS))
CASE = ("case", Label("what has failed", ("failover", "crash", "hung", "host_lost")))
RESTORE = ("state", Label("how far it is", ("waiting", "done", "given_up", "called_off")))
PROBE = ("probe", Label("a probe: its kind and what it asks, without anything that may be secret", most=50))
METHOD = ("method", Label("a configured fence method", most=50))
PEER = ("peer", Label("another node that is there now", most=MOST_PEERS))
