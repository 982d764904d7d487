"""The edge between the engine and the real world, on asyncio: effects become calls, calls become answers.

Deliberately unknown here: what any answer means. Callbacks of the store come from its threads and are handed to the
loop in the order in which they came.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from config.self_fencing import promised
from failover.core.effects import (
    AnswerDemand,
    Claim,
    CloseSession,
    Demote,
    Effect,
    EndSwitchover,
    Fence,
    Follow,
    HandOver,
    OpenSession,
    Promote,
    PublishMember,
    RaiseFloor,
    ResetHealth,
    StartLease,
    StopLease,
    StopProcess,
    TakeLock,
)
from failover.core.events import Claimed, Demoted, Event, Fenced, Followed, LeaseRanOut, Promoted, WriteOutcome
from failover.core.values import Breadcrumb, Lock, Verdict
from failover.ports.self_fence import PUBLISHED, SelfFence
from failover.ports.service import Prove, Result, ServiceControl, Strike
from failover.ports.store import Renewal, Store
from failover.runtime.engine import Cancellable, Running
from failover.runtime.lease import Lease, LeaseTerms
from failover.runtime.publisher import Publisher

log = logging.getLogger("failoverd")


def boot_time_s() -> float:
    """CLOCK_BOOTTIME in seconds: goes on while the host sleeps, never jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class FenceChain(Protocol):
    """The fencing chain, as the runtime calls it."""

    async def run(self, strike: Strike, prove: Prove) -> Result: ...


class Extras(Protocol):
    """What the edge hands on to the controller around it."""

    def reset_health(self) -> None: ...
    def raise_floor(self, epoch: int) -> None: ...
    def answer_demand(self, answer: AnswerDemand) -> None: ...
    def end_switchover(self, ended: EndSwitchover) -> None: ...
    def stop_process(self, stop: StopProcess) -> None: ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for each kind of effect. `hook_slack_s`: the runner's own deadline comes first, this one backs it up."""

    store_s: float
    promote_s: float
    demote_s: float
    follow_s: float
    fence_s: float
    hook_slack_s: float = 5.0


class _Transaction:
    """A store call in flight: it cannot be ended, only disowned."""

    def end(self, ended: Callable[[], None]) -> None:
        ended()


class _Task:
    """A hook or a strike in flight: cancelling its task ends its process group."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def end(self, ended: Callable[[], None]) -> None:
        if self._task.done():
            ended()
            return
        self._task.add_done_callback(lambda _: ended())
        self._task.cancel()


TermsFor = Callable[[float], LeaseTerms]
A = TypeVar("A")


class AsyncEdge:
    """Implements `Edge` and `Clock` for the daemon."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: str,
        node: str,
        store: Store,
        control: ServiceControl,
        chain: FenceChain,
        deadlines: Deadlines,
        terms_for: TermsFor,
        self_fence: SelfFence | None = None,
        promoting: Callable[[], bool] = lambda: False,
        renewed: Callable[[Renewal], None] = lambda _: None,
    ) -> None:
        """`promoting`: whether a promote may be running, one that nobody waits for any more too.

        `renewed` hears of each answer to a renewal.
        """
        self._loop = loop
        self._names = (service, node)
        self._store = store
        self._control = control
        self._chain = chain
        self._deadlines = deadlines
        self._terms_for = terms_for
        self._asked_s = 0.0
        self._held_s: float | None = None
        self._self_fence = self_fence
        self._promoting = promoting
        self._renewed = renewed
        self._adopted: Breadcrumb | None = None
        self._lease_session = ""
        self._session_timeout_s = deadlines.store_s
        self._tasks: set[asyncio.Task[None]] = set()
        self.lease: Lease
        self.publisher = Publisher(self, store)
        self.extras: Extras

    def wire(self, extras: Extras, post: Callable[[Event], None]) -> None:
        """Say who is around: called once, before the first event."""
        self.extras = extras
        self._post = post
        self.lease = Lease(self, self._renew, post, self._lock_proven_now)

    def reconfigure(self, control: ServiceControl, chain: FenceChain, deadlines: Deadlines) -> None:
        """Effects that start from now on use these; what runs keeps its own (a reload)."""
        self._control, self._chain, self._deadlines = control, chain, deadlines

    # --- Clock ----------------------------------------------------------------------------------

    def now_s(self) -> float:
        return boot_time_s()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancellable:
        return self._loop.call_later(delay_s, callback)

    def lengthen(self, delay_s: float, jitter: float) -> float:
        return delay_s * (1.0 + random.uniform(0.0, jitter))

    # --- Edge -----------------------------------------------------------------------------------

    def deadline_s(self, effect: Effect) -> float | None:
        limits = self._deadlines
        if isinstance(effect, OpenSession):
            return None
        if isinstance(effect, Promote):
            return limits.promote_s + limits.hook_slack_s
        if isinstance(effect, Demote):
            return limits.demote_s + limits.hook_slack_s
        if isinstance(effect, Follow):
            return limits.follow_s + limits.hook_slack_s
        if isinstance(effect, Fence):
            return limits.fence_s + limits.hook_slack_s
        return limits.store_s

    def start(self, effect: Effect, answer: Callable[[Event], None]) -> Running:
        if isinstance(effect, OpenSession | CloseSession | TakeLock | Claim | HandOver):
            return self._start_in_store(effect, answer)
        return self._start_task(effect, answer)

    def _start_in_store(
        self, effect: OpenSession | CloseSession | TakeLock | Claim | HandOver, answer: Callable[[Event], None]
    ) -> Running:
        heard = self.from_thread(answer)
        if isinstance(effect, OpenSession):
            self._store.open(effect, heard)
        elif isinstance(effect, CloseSession):
            self._store.close(effect, heard)
        elif isinstance(effect, TakeLock):
            self._asked_s = boot_time_s()
            self._store.take(effect, heard)
        elif isinstance(effect, Claim):
            self._claim(effect, answer, heard)
        else:
            self._store.hand_over(replace(effect, record=_published(effect.record, None)), heard)
        return _Transaction()

    def _claim(self, effect: Claim, answer: Callable[[Event], None], heard: Callable[[Event], None]) -> None:
        """What this node promises is in the breadcrumb before anybody is promoted; what another promised is not."""
        published: Mapping[str, object] | None = None
        if self._self_fence is not None:
            arming = self._self_fence.arm(self.lease.proven_s, self.lease.renew_every_s)
            if arming.bar:  # nothing was written: given up like a claim in doubt
                refused = Claimed(effect.attempt, effect.epoch, WriteOutcome.UNKNOWN, detail=arming.bar)
                self._loop.call_soon(answer, refused)
                return
            published = arming.published
        self._store.claim(replace(effect, record=_published(effect.record, published)), heard)

    def _lock_proven_now(self, sent_s: float) -> None:
        if self._self_fence is not None:
            self._step_down_for(self._self_fence.proven(sent_s))

    def _carry_on(self, crumb: Breadcrumb) -> None:
        """After an adoption: what the breadcrumb promises must still be kept, or the service must go."""
        promise = crumb.extra.get(PUBLISHED)
        if self._self_fence is None:
            unkept = "the breadcrumb promises a watchdog, and none is configured any more" if promised(promise) else ""
        else:
            unkept = self._self_fence.carry_on(promise, self.lease.proven_s, self.lease.renew_every_s)
        self._step_down_for(unkept)

    def _step_down_for(self, unkept: str) -> None:
        if unkept:
            log.error("stepping down: %s", unkept)
            self._post(LeaseRanOut(self._lease_session, unkept))

    def rest(self) -> None:
        """The service certainly is not active (S6): only then the watchdog is disarmed.

        Not while a promote that could not be ended may still start it: whatever `role` says now.
        """
        if self._self_fence is not None and self._self_fence.armed and not self._promoting():
            self._self_fence.stand_down()

    def from_thread(self, answer: Callable[[A], None]) -> Callable[[A], None]:
        """Hand what a store's thread says to the loop; after the loop has closed nobody listens."""

        def heard(said: A) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(answer, said)

        return heard

    def _start_task(self, effect: Effect, answer: Callable[[Event], None]) -> Running:
        async def run() -> None:
            answer(await self._carry_out(effect))

        task = self._loop.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return _Task(task)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "an effect broke", "exception": task.exception()})

    async def _carry_out(self, effect: Effect) -> Event:
        if isinstance(effect, Promote):
            if not self._lease_stands():
                detail = "the lock was not proven lately: this controller must have been stopped for a while"
                return Promoted(effect.attempt, effect.epoch, Verdict.NOT_DONE, detail)
            result = await self._control.promote(effect)
            return Promoted(effect.attempt, effect.epoch, result.verdict, result.detail)
        if isinstance(effect, Demote):
            result = await self._control.demote(effect)
            return Demoted(effect.attempt, result.verdict, result.detail)
        if isinstance(effect, Follow):
            result = await self._control.follow(effect)
            return Followed(effect.attempt, effect.epoch, result.verdict, result.detail)
        if isinstance(effect, Fence):
            return await self._fence(effect)
        raise TypeError(f"no way to carry out {effect}")

    def _lease_stands(self) -> bool:
        """The last look before the fork: who slept between claim and promote may have been fenced meanwhile (S6)."""
        proven_s = self.lease.proven_s
        return proven_s is not None and boot_time_s() - proven_s < self.lease.lease_s

    async def _fence(self, effect: Fence) -> Event:
        service, node = self._names
        strike = Strike(service, node, effect.target, effect.epoch, effect.attempt, effect.reason, self._held_s)
        result = await self._chain.run(strike, self._prove)
        return Fenced(effect.attempt, effect.epoch, result.verdict, result.by, result.detail)

    async def _prove(self) -> bool:
        """Prove the lock by a renewal; no answer in time is no proof."""
        proof: asyncio.Future[bool] = self._loop.create_future()

        def answered(proven: bool) -> None:
            if not proof.done():
                proof.set_result(proven)

        self.lease.prove(answered)
        try:
            return await asyncio.wait_for(proof, self._deadlines.store_s)
        except TimeoutError:
            return False

    def _renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        def heard(renewal: Renewal) -> None:
            self._renewed(renewal)
            answer(renewal)

        self._store.renew(session, lock, self.from_thread(heard))

    @property
    def watchdog_armed(self) -> bool | None:
        """Whether this host will reset itself unless it is fed; None: no watchdog is configured."""
        return None if self._self_fence is None else self._self_fence.armed

    def at_once(self, effect: Effect) -> None:
        if isinstance(effect, PublishMember):
            self.publisher.publish(effect.member)
        elif isinstance(effect, StartLease):
            self._held_s, self._lease_session = boot_time_s(), effect.session
            terms = self._terms_for(self._session_timeout_s)
            self.lease.start(effect.session, effect.lock, self._asked_s, terms)
            adopted, self._adopted = self._adopted, None
            if adopted is not None:
                self._carry_on(adopted)
        elif isinstance(effect, StopLease):
            self.lease.stop()
        elif isinstance(effect, ResetHealth):
            self.extras.reset_health()
        elif isinstance(effect, RaiseFloor):
            self.extras.raise_floor(effect.epoch)
        elif isinstance(effect, AnswerDemand):
            self.extras.answer_demand(effect)
        elif isinstance(effect, EndSwitchover):
            self.extras.end_switchover(effect)
        elif isinstance(effect, StopProcess):
            self.extras.stop_process(effect)
        else:
            raise TypeError(f"no way to carry out {effect}")

    def session_opened(self, timeout_s: float) -> None:
        """The servers granted this session time-out; the lease is reckoned with it."""
        self._session_timeout_s = timeout_s

    def lock_adopted(self, sent_s: float, crumb: Breadcrumb | None) -> None:
        """A lock that was not asked for here is ours: a write sent at that time proved it. `crumb`: as it stands."""
        self._asked_s = sent_s
        self._adopted = crumb

    def lease_bar(self, timeout_s: float) -> str:
        """Why this node must not become active under such a session time-out; "" if it may."""
        return self._terms_for(timeout_s).bar(timeout_s)

    async def close(self) -> None:
        """End what still runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._self_fence is not None:
            self._self_fence.close()


def _published(record: Breadcrumb, promise: Mapping[str, object] | None) -> Breadcrumb:
    """The record with this promise and no other: an old active's must not be taken for the new one's."""
    extra = {key: value for key, value in record.extra.items() if key != PUBLISHED}
    return replace(record, extra=extra if promise is None else {**extra, PUBLISHED: dict(promise)})
