"""The lease (S6): renewals by acknowledged writes, and the moment at which an active must begin to step down.

Times are CLOCK_BOOTTIME in seconds, of the moment a write was *sent*. Unknown here: what a renewal is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from failover.core.events import Event, LeaseRanOut
from failover.core.values import Lock
from failover.ports.store import Renewal
from failover.runtime.engine import Cancellable


class Clock(Protocol):
    """Boot time and timers."""

    def now_s(self) -> float: ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancellable: ...


Renew = Callable[[str, Lock, Callable[[Renewal], None]], None]


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """`renew_every_s`: between renewals. `lease_s`: for how long after one was sent the lock is certainly ours.

    `demote_s`: how long a demote may take; under `step_down` it must *end* inside the lease.
    """

    renew_every_s: float
    lease_s: float
    demote_s: float
    step_down: bool

    def bar(self, session_s: float) -> str:
        """Why nobody may become active under a session time-out of `session_s`, with what would help; "" if one may."""
        granted = f"the store granted a session of {session_s:g} s"
        if self.lease_s <= 0:
            return (
                f"{granted}, which leaves no lease ({self.lease_s:.1f} s): the lock could never be proven; "
                "raise maxSessionTimeout on the servers, or shorten their tickTime"
            )
        if not self.step_down or self.lease_s - self.demote_s > self.renew_every_s:
            return ""
        return (
            f"{granted}: a demote of {self.demote_s:g} s cannot end inside its lease of {self.lease_s:.1f} s "
            "(on_store_loss: step_down); raise maxSessionTimeout on the servers, shorten control.demote.timeout, "
            "or use on_store_loss: hold"
        )


class Lease:
    """Keeps proving one lock. `proven` hears of each proof, at once, when it was sent."""

    def __init__(
        self,
        clock: Clock,
        renew: Renew,
        post: Callable[[Event], None],
        proven: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._renew = renew
        self._post = post
        self._tell_proven = proven
        self._terms = LeaseTerms(1.0, 6.0, 0.0, False)
        self._held: tuple[str, Lock] | None = None
        self._tick: Cancellable | None = None
        self._alarm: Cancellable | None = None
        self._told = False  # that the last proof's time has run out
        self.proven_s: float | None = None

    @property
    def lease_s(self) -> float:
        return self._terms.lease_s

    @property
    def renew_every_s(self) -> float:
        return self._terms.renew_every_s

    @property
    def ends_s(self) -> float | None:
        """When a step-down must begin, unless another proof comes first; None: nothing is proven."""
        return None if self.proven_s is None else self._ends_s(self.proven_s)

    def start(self, session: str, lock: Lock, sent_s: float, terms: LeaseTerms) -> None:
        """The lock was won by a write sent at `sent_s`."""
        self.stop()
        self._held, self._terms = (session, lock), terms
        self._prove(sent_s)
        self._tick = self._clock.call_later(terms.renew_every_s, self._renew_again)

    def stop(self) -> None:
        """The lock is not ours any more."""
        self._held = self.proven_s = None
        for timer in (self._tick, self._alarm):
            if timer is not None:
                timer.cancel()
        self._tick = self._alarm = None

    def prove(self, answer: Callable[[bool], None]) -> None:
        """Renew now; tell whether it proved the lock (asked before every strike, S7)."""
        held = self._held
        if held is None:
            answer(False)
            return

        def renewed(renewal: Renewal) -> None:
            self._renewed(held, renewal)
            answer(renewal.proven and self._held == held and self._fresh(renewal.sent_s))

        self._renew(*held, renewed)

    def reached(self) -> None:
        """The store is back: what went unanswered meanwhile is asked at once, not at the next tick."""
        if self._held is not None:
            self._ask(self._held)

    def _renew_again(self) -> None:
        held = self._held
        if held is None:
            return
        self._tick = self._clock.call_later(self._terms.renew_every_s, self._renew_again)
        if self._overdue():
            self._ran_out()  # timers stand still while the host sleeps, CLOCK_BOOTTIME does not
        self._ask(held)

    def _ask(self, held: tuple[str, Lock]) -> None:
        self._renew(*held, lambda renewal: self._renewed(held, renewal))

    def _renewed(self, held: tuple[str, Lock], renewal: Renewal) -> None:
        if renewal.proven and self._held == held:
            self._prove(renewal.sent_s)

    def _prove(self, sent_s: float) -> None:
        if self.proven_s is not None and sent_s <= self.proven_s:
            return
        self.proven_s = sent_s
        self._told = False
        self._tell_proven(sent_s)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._clock.call_later(max(0.0, self._ends_s(sent_s) - self._clock.now_s()), self._ran_out)

    def _ends_s(self, sent_s: float) -> float:
        """When the last moment has come to begin a step-down; under `hold`, when the lock is in doubt."""
        return sent_s + self._terms.lease_s - (self._terms.demote_s if self._terms.step_down else 0.0)

    def _fresh(self, sent_s: float) -> bool:
        """An answer that was read long after it was given proves nothing: the lock may have passed on since."""
        return self._clock.now_s() - sent_s < self._terms.lease_s

    def _overdue(self) -> bool:
        return self.proven_s is not None and self._clock.now_s() >= self._ends_s(self.proven_s)

    def _ran_out(self) -> None:
        if self._held is not None and not self._told:
            self._told = True
            self._post(LeaseRanOut(self._held[0]))
