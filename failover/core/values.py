"""The words of the domain as frozen values: identities, records in the store, verdicts, roles.

Deliberately unknown here: how records are encoded, who stores them, what time it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """Three answers, never two (S5). A time-out is UNKNOWN."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """What the probes say together."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    NOT_RESPONDING = "not_responding"

    @property
    def bad(self) -> bool:
        """The service said that it is ill, or could not be asked."""
        return self in (Health.UNHEALTHY, Health.NOT_RESPONDING)


class Role(StrEnum):
    """Where this controller stands (design §1)."""

    STARTING = "starting"
    OUT = "out"
    STANDBY = "standby"
    CAMPAIGNING = "campaigning"
    FENCING = "fencing"
    CLAIMING = "claiming"
    PROMOTING = "promoting"
    ACTIVE = "active"
    DEMOTING = "demoting"


class ServiceRole(StrEnum):
    """What the service is: as its `role` hook says it, or as this controller knows it.

    UNKNOWN is the belief while a promote may have started or a demote has not succeeded.
    """

    ACTIVE = "active"
    STANDBY = "standby"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """A host's instance of the service: its name *and* its machine-id (a cloned host is another node)."""

    name: str
    machine_id: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this controller is, and what peers need to reach and fence it."""

    node: Node
    boot_id: str
    address: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Breadcrumb:
    """Who was active last, under which epoch, how to fence it, and whether it stepped down cleanly.

    `extra` keeps the fields that this version does not know, so that rewriting loses nothing.
    """

    node: Node
    epoch: int
    boot_id: str
    address: str = ""
    clean: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crumb:
    """The breadcrumb as it was read: the record (None: there is none) and the store's version of it.

    `error` says why a record that is there could not be read; it is never overwritten then.
    """

    record: Breadcrumb | None = None
    version: int = -1
    error: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """This controller's liveness in the store. `timeout_s` is the *negotiated* time-out in seconds."""

    id: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Lock:
    """The one ephemeral record: `czxid` (the store's number of its creation), owner's session and node name."""

    czxid: int
    session: str
    node: str


@dataclass(frozen=True, slots=True)
class Member:
    """What a controller publishes about itself. `settled` is set once S8 has been done under this boot-id.

    `ended`: the epoch of this node's own breadcrumb from before its last boot, once it is settled; 0: there is none.
    `barred`: why it is no candidate, in words; "" if it is one.
    `impaired`: how many of its probes fail that are not critical.
    `fenceable`: the nodes that it has lately proven it could fence, each with the wall time of the proof (for people).
    """

    node: Node
    session: str = ""
    role: Role = Role.STARTING
    health: Health = Health.UNKNOWN
    epoch: int = 0
    boot_id: str = ""
    address: str = ""
    priority: int = 0
    position: int | None = None
    barred: str = ""
    settled: bool = False
    ended: int = 0
    why: str = ""
    config_hash: str = ""
    version: str = ""
    impaired: int = 0
    fenceable: Mapping[str, str] = field(default_factory=dict)

    @property
    def candidate(self) -> bool:
        return not self.barred


@dataclass(frozen=True, slots=True)
class Pause:
    """Automatic moves are off for the service. `until`: when that ends by itself, in wall time; "": never."""

    by: str
    reason: str
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Switchover:
    """A planned hand-over, valid only under the epoch of `source`. `target` None: the best candidate."""

    id: str
    source: str
    target: str | None
    epoch: int
    reason: str = ""
    by: str = ""
    requested_at: str = ""


@dataclass(frozen=True, slots=True)
class EndedSwitchover:
    """How a switchover ended; `phases` are milliseconds after the request, by name."""

    order: Switchover
    outcome: str
    detail: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An operator's word that the last active is not active any more (`fence confirm`).

    It counts for exactly this breadcrumb, by its node, epoch and version; the claim that uses it makes another version.
    """

    node: Node
    epoch: int
    version: int
    by: str
    reason: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """The operators' standing orders: one record, one version."""

    version: int = -1
    pause: Pause | None = None
    drained: frozenset[str] = frozenset()
    switchover: Switchover | None = None
    ended: tuple[EndedSwitchover, ...] = ()
    confirmed: Confirmation | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says, as far as decisions depend on it. Durations in seconds."""

    step_down: bool = False
    standby_stopped: bool = False
    has_follow: bool = False
    has_role: bool = False
    candidate: bool = True
    priority: int = 0
    head_start_s: float = 1.0
    hold_back_s: float = 10.0
    lease_s: float = 6.0
    retry_first_s: float = 1.0
    retry_longest_s: float = 60.0
    within_s: float = 600.0
    failovers: int = 5
    restarts: int = 0
    max_lag: int | None = None
    distrust_s: float = 30.0
    config_hash: str = ""
    version: str = ""
