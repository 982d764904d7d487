"""The local service, the probes that watch it, and the means to fence another node.

All are coroutines that run on the controller's one event loop and never block it. Cancelling one must end whatever
it started (a hook's whole process group) before the cancellation completes, within 2 s after SIGKILL.
None of them decides anything: they answer with one of three verdicts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from failover.core.effects import Demote, Follow, Promote
from failover.core.values import Breadcrumb, Health, ServiceRole, Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict and the words for it (bounded, for the log and the history).

    `saw_on`: a fence method's device said ON for the target as the strike began. `by`: the methods of the level that
    was done, of a whole chain. `final`: of a `restore` that is not done: it would say the same again.
    """

    verdict: Verdict
    detail: str = ""
    saw_on: bool = False
    by: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How fit for promotion the service says it is. `position`: higher is fresher; None: not known.

    `bar`: why it must not be promoted now, or "".
    """

    position: int | None = None
    bar: str = ""


class ServiceControl(Protocol):
    """Promote, demote and question the local service."""

    async def promote(self, ask: Promote) -> Result:
        """Make the service active under `ask.epoch`. Must be repeatable."""

    async def demote(self, ask: Demote) -> Result:
        """Make the service not active. DONE only if `role` (where configured) agrees, or `ask.gone` (S3)."""

    async def follow(self, ask: Follow) -> Result:
        """Tell the standby who the active is."""

    async def role(self) -> ServiceRole:
        """What the service itself says; UNKNOWN where it cannot be asked."""

    async def standing(self) -> Standing:
        """What the `position` and `ready` hooks say; a `ready` that does not answer bars too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. `gone`: the process is known to have ended.

    `absent`: there is no such process; said `fall` times in a row, it counts as gone. `there`: there is one, well or
    ill: as long as any probe says so, no other's `gone` means that the service has ended. `at_once`: an end was seen,
    though not that of the whole service: bad without waiting for `fall`. `of_host`: it speaks of the host; that it is
    well does not mean that the service is up.
    """

    health: Health
    detail: str = ""
    gone: bool = False
    absent: bool = False
    there: bool = False
    at_once: bool = False
    of_host: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What all probes found, each asked once. `up`: the name of one that finds the service up; "": none does.

    `absent`: none does, and one that looks for its process found that there is none.
    """

    up: str = ""
    absent: bool = False


Look = Callable[[], Awaitable[Sight]]
"""Asks every probe once, now: what the monitor knows may be from before."""


class Probe(Protocol):
    """One way to ask whether the service is well. `fall`/`rise`: findings in a row before the word changes.

    `critical`: the service is ill when it does not pass; else the node is only impaired. `grace_s`: so long after a
    start its failures do not count yet, until it has passed once.
    """

    name: str
    every_s: float
    timeout_s: float
    rise: int
    fall: int
    critical: bool
    grace_s: float

    async def check(self) -> Finding:
        """Ask once. The monitor cancels it after `timeout_s`, which counts as NOT_RESPONDING."""

    def watch(self, tell: Callable[[Finding], None]) -> None:
        """Report ends at once where the probe can (a pidfd); others do nothing. Called once, on the loop."""

    def close(self) -> None:
        """Release what `watch` holds."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What a fence method is told. `facts` are the target's own from the breadcrumb, over the local `nodes`.

    `held_s`: CLOCK_BOOTTIME in seconds at which this node learned that it holds the lock; None: it does not (a probe,
    or an operator's live test). `own_machine`: the target bears this very machine's id: under another name it may be
    this host from before it was renamed (or a clone of it).
    """

    service: str
    by: str
    target: Breadcrumb
    epoch: int
    attempt: int
    reason: str = ""
    held_s: float | None = None
    own_machine: bool = False


@dataclass(frozen=True, slots=True)
class Traits:
    """What a fence method's `done` is worth, and what it needs. The chain goes by these, never by a method's kind.

    attempts: how often it is tried, at most, each with its own deadline.
    whole: `done` speaks of the controller and its hooks, too; a level without one such method never ends a chain (S7).
    power: afterwards nothing on the host may answer, not even with a refusal.
    witnessed: `done` counts only where the device has said ON for this node: in a probe while the node lived, or as the
        strike began (`Result.saw_on`). What it says may otherwise be of another node, or of nothing at all.
    restores: `restore` gives back what was taken, once a peer is active.
    askable: `probe` can tell whether it would work; others are only as good as the operator's word.
    """

    attempts: int = 1
    whole: bool = True
    power: bool = False
    witnessed: bool = False
    restores: bool = False
    askable: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """What a probe towards a living node found. DONE: it could be fenced now; NOT_DONE: certainly not; UNKNOWN.

    `on`: the device said ON. `lies`: it said OFF for a node that lives, so it is not this node's: it must not be used.
    """

    verdict: Verdict
    detail: str = ""
    on: bool = False
    lies: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan: what would be done with resolved parameters, every secret masked."""

    name: str
    value: str


class FenceMethod(Protocol):
    """One way to fence a node. None of its calls raises; cancelling one ends what it started."""

    name: str
    timeout_s: float
    traits: Traits

    async def fence(self, strike: Strike) -> Result:
        """DONE: the service and everything that could promote it under an older epoch is dead (S7)."""

    async def probe(self, strike: Strike) -> Proof:
        """Could `strike.target`, which lives, be fenced? Changes nothing. Ends within `timeout_s`."""

    async def restore(self, strike: Strike) -> Result:
        """Give back what was taken (power, say). Called only where `traits.restores`."""

    def plan(self, strike: Strike) -> list[Line]:
        """What `fence` would do, without touching anything; a fact that is missing is said in a line."""


Prove = Callable[[], Awaitable[bool]]
"""Proves the lock by a renewal; asked before every strike."""
