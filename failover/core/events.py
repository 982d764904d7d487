"""Everything that can happen to a controller, in the past tense.

An `Answer` belongs to one attempt: `step` drops it in one place when that attempt is over (S4).
An answer's `outcome` or `verdict` is three-valued: what was lost on the way is UNKNOWN, never a guess (S5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from failover.core.values import (
    Control,
    Crumb,
    Health,
    Lock,
    Member,
    Node,
    ServiceRole,
    Session,
    Settings,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened."""


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The controller runs. `reported`: what `role` said; `floor`: the epoch kept on disk by `RaiseFloor`.

    `opening`: the runtime is already re-attaching a saved session, and will post what came of it.
    """

    reported: ServiceRole = ServiceRole.UNKNOWN
    floor: int = 0
    opening: bool = False


# --- the store, unasked -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A new session lives; its `sessions/<id>` and member records are written."""

    session: Session
    control: Control = field(default_factory=Control)
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionRefused(Event):
    """The store was reached, but this controller may not join (S9: the name is taken; or no format)."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class SessionAdopted(Event):
    """The saved session was re-attached, and a renewal acknowledged; what the store and the file agree on.

    `trusted` is the verdict of the runtime's checks (session id, epoch, breadcrumb version, czxid, all equal).
    """

    session: Session
    control: Control
    members: tuple[Member, ...]
    lock: Lock | None
    crumb: Crumb
    epoch: int
    trusted: bool
    reported: ServiceRole
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionLost(Event):
    """The store does not answer for now; the session may still live. Moves nothing by itself (S6)."""


@dataclass(frozen=True, slots=True)
class ConnectionRestored(Event):
    """The store answers again under the same session."""


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """The session is gone, and with it the lock."""

    session: str


@dataclass(frozen=True, slots=True)
class LockSeen(Event):
    """The lock's holder as the store shows it now; None: the lock is free. `crumb` was read with it."""

    session: str
    holder: Lock | None
    crumb: Crumb = field(default_factory=Crumb)


@dataclass(frozen=True, slots=True)
class ControlChanged(Event):
    """The control record as it reads now."""

    control: Control


@dataclass(frozen=True, slots=True)
class MembersChanged(Event):
    """All live member records, this controller's included."""

    members: tuple[Member, ...]


# --- the service, the host, people --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HealthChanged(Event):
    """The probes' combined word changed. `gone`: the service's process is known to have ended.

    `impaired`: how many probes fail that are not critical.
    """

    health: Health
    detail: str = ""
    gone: bool = False
    impaired: int = 0


@dataclass(frozen=True, slots=True)
class Stalled(Event):
    """This controller itself did not run for a while, or its host's clock jumped; `detail` says which, in words."""

    detail: str


@dataclass(frozen=True, slots=True)
class RoleReported(Event):
    """The `role` hook's periodic answer, asked while no service effect ran.

    `asked` is the core's attempt at the time of the question; an answer from before is stale (S4).
    """

    role: ServiceRole
    asked: int


@dataclass(frozen=True, slots=True)
class StandingReported(Event):
    """What the `position` and `ready` hooks said. `bar`: why this standby must not be promoted now, or ""."""

    position: int | None = None
    bar: str = ""


@dataclass(frozen=True, slots=True)
class ProofsChanged(Event):
    """Which nodes this one has lately proven it could fence, each with the wall time of the proof (for people)."""

    fenceable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseRanOut(Event):
    """No renewal was acknowledged in time: `step_down`: the demote must begin now; `hold`: for a whole lease (S6).

    `unkept`: what the breadcrumb has promised to peers and this node can keep no more, in words; then the demote must
    begin now, whatever the configuration says.
    """

    session: str
    unkept: str = ""


@dataclass(frozen=True, slots=True)
class TimerFired(Event):
    """A timer set by `SetTimer` has run down. `turn` is the one it was set with."""

    name: str
    turn: int


@dataclass(frozen=True, slots=True)
class StopRequested(Event):
    """The process should end: `keep` leaves session and service as they are (for adoption).

    `last`: no controller will come back, so that even one who has not looked yet makes sure of the service first.
    """

    keep: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class SettingsChanged(Event):
    """The configuration was reloaded; what it says now, as far as it may change while the controller runs."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class DemoteDemanded(Event):
    """A peer that holds the lock asks this controller to demote (`kind: controller`, S7)."""

    request: str
    target: Node
    epoch: int
    by: str


@dataclass(frozen=True, slots=True)
class ForceOrdered(Event):
    """An operator's `failover --force` with nobody active: this node skips waits and campaigns."""

    by: str


# --- answers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer(Event):
    """An answer to a question of `attempt`."""

    attempt: int


class TakeOutcome(StrEnum):
    """How a lock request ended. CONTROL: the control record changed meanwhile. GONE: the session is."""

    WON = "won"
    HELD = "held"
    CONTROL = "control"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LockTaken(Answer):
    """Answer to `TakeLock`. WON: `lock` is ours and `crumb` was read under it. HELD: `lock` is the holder's."""

    outcome: TakeOutcome
    lock: Lock | None = None
    crumb: Crumb = field(default_factory=Crumb)
    control: Control | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Fenced(Answer):
    """Answer to `Fence`."""

    epoch: int
    verdict: Verdict
    method: str = ""
    detail: str = ""


class WriteOutcome(StrEnum):
    """How a store transaction ended. CONFLICT: the version moved on. GONE: session or lock is not ours."""

    DONE = "done"
    CONFLICT = "conflict"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claimed(Answer):
    """Answer to `Claim`. DONE: written at `version`, and a renewal proved the lock ours afterwards.

    CONFLICT: `crumb` is the breadcrumb as it reads now, under the same lock.
    """

    epoch: int
    outcome: WriteOutcome
    version: int = -1
    crumb: Crumb = field(default_factory=Crumb)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Promoted(Answer):
    """Answer to `Promote`."""

    epoch: int
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Demoted(Answer):
    """Answer to `Demote`. DONE already means that `role` or the probes agree, and that no promote still ran (S3)."""

    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Followed(Answer):
    """Answer to `Follow`."""

    epoch: int
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HandedOver(Answer):
    """Answer to `HandOver`: breadcrumb marked clean and lock released in one transaction."""

    outcome: WriteOutcome
    version: int = -1
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SessionClosed(Event):
    """Answer to `CloseSession`: `done` False: the store did not say so; the session ends by its time-out."""

    session: str
    done: bool = True
