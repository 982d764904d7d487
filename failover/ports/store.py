"""The store: where the lock lives. One small port, one contract suite, several implementations.

Calls never block. Every `answer` is called exactly once, from any thread, in the order in which the store
acknowledged; a call made while the store is away answers UNKNOWN at once (fail fast) instead of being queued.
An answer is UNKNOWN whenever the transaction may or may not have happened.

Unasked events (`SessionEnded`, `ConnectionLost`, `ConnectionRestored`, `LockSeen`, `ControlChanged`,
`MembersChanged`, after `SessionOpened`) go to the listener given to `connect`. An implementation watches the lock,
the control record and the members from `open` on, and reports the first reading of each after `SessionOpened`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from failover.core.effects import Claim, CloseSession, HandOver, OpenSession, TakeLock
from failover.core.events import Event, WriteOutcome
from failover.core.values import Control, Crumb, Lock, Member, Session

Listener = Callable[[Event], None]
MOST_NEIGHBOURS = 64


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """What a store can do. `survives_restart`: a session outlives its controller, and can be re-attached."""

    kind: str
    one_host: bool = False
    survives_restart: bool = False


@dataclass(frozen=True, slots=True)
class Renewal:
    """Answer to `renew`: `proven` True only if the write was acknowledged and the lock's czxid is the attempt's.

    `outcome`: DONE proven; GONE session or lock is lost; UNKNOWN no acknowledgement. `sent_s` is CLOCK_BOOTTIME in
    seconds at the moment of sending.
    """

    outcome: WriteOutcome
    sent_s: float
    detail: str = ""

    @property
    def proven(self) -> bool:
        return self.outcome is WriteOutcome.DONE


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A session that a controller left behind: whoever knows the secret (in hex) can have it."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reattached:
    """Answer to `reattach`. `session` None: it is gone or not to be had, and `detail` says why.

    Otherwise everything was read after a renewal that was acknowledged, sent at `sent_s` (CLOCK_BOOTTIME, seconds).
    `lock`: the one that this session holds; None: it holds none.
    """

    session: Session | None
    control: Control = field(default_factory=Control)
    members: tuple[Member, ...] = ()
    lock: Lock | None = None
    crumb: Crumb = field(default_factory=Crumb)
    sent_s: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ControlWritten:
    """Answer to `write_control`. CONFLICT: somebody else wrote first; `control` is what reads now."""

    outcome: WriteOutcome
    control: Control | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One reading of everything under the service's path."""

    holder: Lock | None
    crumb: Crumb
    control: Control
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another service under the same root: who holds its lock, and its breadcrumb."""

    service: str
    holder: Lock | None
    crumb: Crumb


class FormatError(Exception):
    """`format` was refused or failed. `exit_code` follows ZKFC: 1 failed, 2 refused, 6 no store."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Store(Protocol):
    """See the module's docstring for the rules that hold for every call."""

    traits: StoreTraits

    def connect(self, listener: Listener) -> None:
        """Say where unasked events go. Called once, before anything else."""

    def trouble(self) -> str:
        """Why the last tries to reach the store have failed, for people; "" where none has since it answered."""

    def open(self, ask: OpenSession, answer: Callable[[Event], None]) -> None:
        """Open a new session. Answers SessionOpened, or SessionRefused (S9, or paths missing: exit code 3).

        Keeps trying while the store is away; answers when it has been reached. A member record of the same name
        from another session: same machine-id (a predecessor's session that has not ended yet): waits until it is
        gone; another machine-id: SessionRefused. An `open` that `close` or `shut_down` calls off is not answered.
        """

    def session_secret(self, session: str) -> str | None:
        """By which `reattach` gets this open session back, in hex; None: it is not open, or cannot be re-attached."""

    def reattach(self, ask: OpenSession, saved: SavedSession, answer: Callable[[Reattached], None]) -> None:
        """Take over a session that a controller of this node left behind, lock and all, in place of `open`.

        Keeps trying while the store is away: only the store knows whether the session has ended (one that cannot be
        reached counts no time-outs). Once it is reached it answers with the session, of which `open`'s promises hold
        from then on, or without: nothing is open then, and a session that lives but is not as it should be was closed.
        A store whose sessions do not survive a restart answers without one at once.
        """

    def close(self, ask: CloseSession, answer: Callable[[Event], None]) -> None:
        """End the session and free its lock. Answers SessionClosed(done=False) where the store did not confirm."""

    def take(self, ask: TakeLock, answer: Callable[[Event], None]) -> None:
        """Answers LockTaken. Never succeeds in another session than `ask.session`."""

    def claim(self, ask: Claim, answer: Callable[[Event], None]) -> None:
        """Answers Claimed. `ask.version` -1: the breadcrumb must not exist yet (create)."""

    def hand_over(self, ask: HandOver, answer: Callable[[Event], None]) -> None:
        """Answers HandedOver. The lock is deleted by the version or czxid that is ours, never by path alone."""

    def renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        """Prove the lock by an acknowledged write (S6)."""

    def publish(self, session: str, member: Member) -> None:
        """Write the member record (best effort; the newest wins)."""

    def write_control(self, control: Control, answer: Callable[[ControlWritten], None]) -> None:
        """Compare-and-set the control record on `control.version`."""

    def append_history(self, entries: Sequence[dict[str, Any]]) -> None:
        """Add entries to the bounded history (best effort)."""

    def read_history(self, answer: Callable[[list[dict[str, Any]] | None], None]) -> None:
        """The history, oldest first; None: the store did not answer."""

    def read_view(self, answer: Callable[[View | None], None]) -> None:
        """Everything at once, without needing a session record; None: the store did not answer."""

    def read_neighbours(self, answer: Callable[[tuple[Neighbour, ...] | None], None]) -> None:
        """The other services under the same root, by name: best effort, at most MOST_NEIGHBOURS of them.

        One that cannot be read is left out; None: the store did not answer.
        """

    def shut_down(self) -> None:
        """Stop threads and connections, within 2 s. An open session is left to end by itself."""
