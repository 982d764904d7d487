"""What the controller shows and takes: a snapshot that carries its age (S11), and orders.

The API and the page know the controller only through these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from failover.core.values import (
    Breadcrumb,
    Control,
    EndedSwitchover,
    Health,
    Lock,
    Member,
    Node,
    Role,
    ServiceRole,
    Verdict,
)
from failover.ports.fences import FenceDesk, FenceSight
from failover.ports.measures import Fitness, Measures


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One remembered change on this node: wall-clock ISO time, roles, epoch, attempt and the reason."""

    at: str
    node: str
    event: str
    before: Role
    after: Role
    epoch: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What this controller knows at `taken_s` (CLOCK_BOOTTIME, seconds). Never shown as fresh when it is old (S11).

    `proven_s`: send time of the last acknowledged renewal, same clock; None: the lock is not proven.
    `lease_s`: how long after `proven_s` the lock is certainly ours. `blocked`: what an operator must do, or "".
    `impaired`: how many probes fail that are not critical.
    `timing`: the longest that a failover may take, and its parts, under the session time-out that counts.
    `step_down_s`: when the demote must begin unless another renewal is acknowledged (under `hold`: when the lock is in
    doubt), same clock; None: the lock is not proven. `renew_every_s`: from one renewal to the next.
    `fencing_blocked`: of what blocks, it is the fence. `watchdog_armed` None: none is configured. `adoptions`: of
    predecessors, within `limits.within`.
    `store_trouble`: why the store cannot be reached, while it cannot; "" if that is not known.
    `standby_stopped`: a standby's service is down (`control.standby: stopped`); only then does its start say anything.
    `adopting`: a predecessor's session is being taken over, and it is not known yet whether this node still is active.
    """

    taken_s: float
    service: str
    node: Node
    role: Role
    why: str
    epoch: int
    attempt: int
    health: Health
    health_detail: str
    service_role: ServiceRole
    connected: bool
    session: str | None
    session_timeout_s: float | None
    lock_held: bool
    proven_s: float | None
    lease_s: float | None
    holder: Lock | None
    breadcrumb: Breadcrumb | None
    control: Control
    members: tuple[Member, ...]
    candidate: bool
    failures: int
    retry_in_s: float | None
    blocked: str
    on_store_loss: str
    store_kind: str
    version: str
    started_at: str
    recent: tuple[HistoryLine, ...] = ()
    standby_stopped: bool = True
    adopting: bool = False
    impaired: int = 0
    timing: Mapping[str, float | None] = field(default_factory=dict)
    store_trouble: str = ""
    fences: FenceSight = field(default_factory=FenceSight)
    step_down_s: float | None = None
    renew_every_s: float | None = None
    fencing_blocked: bool = False
    watchdog_armed: bool | None = None
    adoptions: int = 0
    config_hash: str = ""
    fitness: Fitness = field(default_factory=Fitness)
    measures: Measures = field(default_factory=Measures)
    extra: dict[str, Any] = field(default_factory=dict)


class OrderRefused(Exception):
    """An order that is not carried out. `check` names the failed check, `status` is the HTTP status to give."""

    def __init__(self, check: str, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.check = check
        self.status = status


@dataclass(frozen=True, slots=True)
class Operation:
    """An order under way or ended: `state` is pending, done, failed or void. `extra`: a live test's particulars."""

    id: str
    kind: str
    state: str
    detail: str = ""
    ended: EndedSwitchover | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoteAnswer:
    """The receiver's answer to a peer's demand (kind: controller)."""

    verdict: Verdict
    node: Node
    epoch: int
    detail: str = ""


class Controller(Protocol):
    """The running controller, as the API sees it. Orders raise OrderRefused with the check that failed."""

    @property
    def fences(self) -> FenceDesk:
        """Fencing: what is known, and what may be ordered."""

    def snapshot(self) -> Snapshot:
        """The newest snapshot; look at its age before believing it."""

    def now_s(self) -> float:
        """The clock of `taken_s` and `proven_s`."""

    def changes(self) -> AsyncIterator[Snapshot]:
        """Snapshots as they change, the present one first."""

    async def switchover(self, source: str | None, target: str | None, reason: str, by: str) -> Operation:
        """Order a planned hand-over after its pre-flight checks."""

    async def force_failover(self, target: str, reason: str, by: str) -> Operation:
        """With no active: make `target` (this node) campaign now."""

    async def pause(self, reason: str, by: str, for_s: float | None = None) -> Control:
        """Automatic moves off for the service; on again by itself after `for_s` seconds, where it is given."""

    async def resume(self, by: str) -> Control:
        """Automatic moves on again."""

    async def drain(self, node: str, force: bool, by: str) -> Control:
        """`node` hands over and stays out."""

    async def undrain(self, node: str, by: str) -> Control:
        """`node` may campaign again."""

    async def operation(self, id: str) -> Operation | None:  # noqa: A002
        """An operation by its id, also one that has ended and is still remembered."""

    async def history(self) -> list[dict[str, Any]]:
        """The service's history, oldest first."""

    async def demand_demote(self, target: Node, epoch: int, by: str) -> DemoteAnswer:
        """A peer's demand (already authenticated) that this node demote; answers when it is over."""
