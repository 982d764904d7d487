"""The edge and self-fencing: what the breadcrumb says of a watchdog, and when the dog is let go.

Only what the edge decides is tested here; the device is that of `tests/fencing/test_watchdog.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from failover.core.effects import Claim, Effect, HandOver, StartLease
from failover.core.events import Claimed, Event, LeaseRanOut, WriteOutcome
from failover.core.values import Breadcrumb, Lock, Node
from failover.ports.self_fence import Arming
from failover.ports.service import ServiceControl
from failover.ports.store import Store
from failover.runtime.edge import AsyncEdge, Deadlines, FenceChain
from failover.runtime.lease import LeaseTerms

ME, OTHER = Node("a", "m-a"), Node("b", "m-b")
LOCK = Lock(7, "s1", "a")
OLD_PROMISE = {"armed": True, "timeout_s": 5, "lease_max_age_s": 1.0, "k": 2, "epsilon_s": 1.0}
BUSY = {"armed": False, "why": "busy"}
NEW_PROMISE = {**OLD_PROMISE, "timeout_s": 9}


class Dog:
    """A self-fence that says what the test wants."""

    def __init__(self, arming: Arming | None = None, unkept: str = "", feeding: str = "") -> None:
        self.arming, self.unkept, self.feeding = arming or Arming(NEW_PROMISE), unkept, feeding
        self.armed = False
        self.told: list[object] = []

    def arm(self, proven_s: float | None, renew_every_s: float) -> Arming:
        self.armed = self.arming.published.get("armed") is True
        return self.arming

    def carry_on(self, told: object, proven_s: float | None, renew_every_s: float) -> str:
        self.told.append(told)
        return self.unkept

    def proven(self, sent_s: float) -> str:
        return self.feeding

    def stand_down(self) -> None:
        self.armed = False

    def close(self) -> None:
        pass


class Written:
    """A store that keeps what it is told to write."""

    def __init__(self) -> None:
        self.effects: list[Any] = []

    def claim(self, effect: Claim, answer: Callable[[Event], None]) -> None:
        self.effects.append(effect)

    def hand_over(self, effect: HandOver, answer: Callable[[Event], None]) -> None:
        self.effects.append(effect)

    def renew(self, *_: object) -> None:
        pass


class Around:
    """An edge with these around it."""

    def __init__(self, dog: Dog | None, promoting: bool = False) -> None:
        self.store, self.posted, self.answers = Written(), list[Event](), list[Event]()
        self.promoting = promoting
        self.edge = AsyncEdge(
            asyncio.get_running_loop(), "orders", "a", cast(Store, self.store), cast(ServiceControl, None),
            cast(FenceChain, None), Deadlines(5, 5, 5, 5, 5), lambda _: LeaseTerms(1.0, 6.0, 1.0, True), dog,
            lambda: self.promoting,
        )  # fmt: skip
        self.edge.wire(cast(Any, None), self.posted.append)

    async def start(self, effect: Effect) -> None:
        self.edge.start(effect, self.answers.append)
        await asyncio.sleep(0)

    def adopt(self, extra: Mapping[str, object]) -> None:
        self.edge.lock_adopted(self.edge.now_s(), crumb(ME, extra))
        self.edge.at_once(StartLease("s1", LOCK))
        self.edge.lease.stop()


def crumb(node: Node, extra: Mapping[str, object]) -> Breadcrumb:
    return Breadcrumb(node, 3, "boot", "127.0.0.1:1", False, {}, extra)


def claim(extra: Mapping[str, object]) -> Claim:
    return Claim(1, "s1", 4, LOCK, crumb(ME, extra), 2)


def run(story: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(story(), 10))


INHERITED = {"watchdog": OLD_PROMISE, "kept": "as it is"}


def test_a_claim_publishes_what_is_promised_now_and_nothing_of_before() -> None:
    async def story() -> None:
        for dog, expected in (
            (None, {"kept": "as it is"}),
            (Dog(), {"kept": "as it is", "watchdog": NEW_PROMISE}),
            (Dog(Arming(BUSY)), {"kept": "as it is", "watchdog": BUSY}),
        ):
            around = Around(dog)
            await around.start(claim(INHERITED))
            assert around.store.effects[0].record.extra == expected

    run(story)


def test_a_hand_over_leaves_no_promise_behind() -> None:
    async def story() -> None:
        around = Around(Dog())
        await around.start(HandOver(1, "s1", LOCK, crumb(ME, INHERITED), 2))
        assert around.store.effects[0].record.extra == {"kept": "as it is"}

    run(story)


def test_what_cannot_be_armed_though_required_writes_nothing() -> None:
    async def story() -> None:
        around = Around(Dog(Arming({"armed": False}, "it is in use")))
        await around.start(claim({}))
        assert around.store.effects == []
        assert around.answers == [Claimed(1, 4, WriteOutcome.UNKNOWN, detail="it is in use")]

    run(story)


def test_after_an_adoption_a_promise_that_cannot_be_kept_means_stepping_down() -> None:
    async def story() -> None:
        for dog, steps in ((Dog(), []), (Dog(unkept="it cannot be armed"), [LeaseRanOut("s1", "it cannot be armed")])):
            around = Around(dog)
            around.adopt(INHERITED)
            assert dog.told == [OLD_PROMISE]
            assert around.posted == steps

    run(story)


def test_after_an_adoption_by_a_controller_without_a_watchdog_only_a_promise_means_stepping_down() -> None:
    async def story() -> None:
        gone = "the breadcrumb promises a watchdog, and none is configured any more"
        for extra, steps in (({}, []), ({"watchdog": {"armed": False}}, []), (INHERITED, [LeaseRanOut("s1", gone)])):
            around = Around(None)
            around.adopt(extra)
            assert around.posted == steps

    run(story)


def test_a_promise_that_breaks_while_active_means_stepping_down() -> None:
    async def story() -> None:
        around = Around(Dog(feeding="the guard is gone and cannot be started"))
        around.edge.at_once(StartLease("s1", LOCK))
        around.edge.lease.stop()
        assert around.posted == [LeaseRanOut("s1", "the guard is gone and cannot be started")]

    run(story)


def test_the_dog_is_not_let_go_while_a_promote_may_still_start_the_service() -> None:
    """A promote that cannot be ended goes on, although nobody waits for it and `role` says standby meanwhile."""

    async def story() -> None:
        dog = Dog()
        around = Around(dog, promoting=True)
        await around.start(claim({}))
        around.edge.rest()
        assert dog.armed
        around.promoting = False
        around.edge.rest()
        assert not dog.armed

    run(story)
