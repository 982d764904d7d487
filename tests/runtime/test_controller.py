"""The controller around the engine: what a peer demands, and what it must write however often that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from failover.core.effects import EndSwitchover
from failover.core.events import Event, WriteOutcome
from failover.core.state import State
from failover.core.values import Control, Lock, Role, ServiceRole, Settings, Switchover, Verdict
from failover.ports.controller import DemoteAnswer
from failover.ports.store import ControlWritten, StoreTraits
from failover.runtime.adoption import Adoption
from failover.runtime.controller import END_AGAIN_S, RunningController
from failover.runtime.lease import Lease, LeaseTerms
from tests.runtime.fencing import no_fencing
from tests.runtime.test_adoption import ACTIVE, LIVES, ME, AdoptingEdge, WrittenStore
from tests.servers.wait import eventually_async


class ControllersStore(WrittenStore):
    """With what the controller needs of it besides."""

    traits = StoreTraits(kind="zookeeper", survives_restart=True)

    def __init__(self) -> None:
        super().__init__()
        self.writing: list[Callable[[ControlWritten], None]] = []

    def connect(self, listener: Callable[[Event], None]) -> None:
        """Nothing comes by itself."""

    def write_control(self, control: Control, answer: Callable[[ControlWritten], None]) -> None:
        self.writing.append(answer)


class ControllersEdge(AdoptingEdge):
    """With what the controller needs of it besides."""

    watchdog_armed: bool | None = None

    def wire(self, extras: Any, post: Callable[[Event], None]) -> None:
        self.lease = Lease(self, lambda *_: None, post)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Any:
        return self.clock.call_later(delay_s, callback)

    def session_opened(self, timeout_s: float) -> None:
        """The lease is of no interest here."""

    def lease_bar(self, timeout_s: float) -> str:
        return ""

    def lengthen(self, delay_s: float, jitter: float) -> float:
        return delay_s

    async def close(self) -> None:
        """Nothing runs."""


class ActiveService:
    """Says that it is active."""

    async def role(self) -> ServiceRole:
        return ServiceRole.ACTIVE


def controller_of(
    state: State, store: ControllersStore, edge: ControllersEdge, adoption: Adoption | None = None
) -> RunningController:
    """The real controller in the midst of what is written out here."""
    return RunningController(
        asyncio.get_running_loop(),
        state,
        edge,  # type: ignore[arg-type]
        store,  # type: ignore[arg-type]
        ActiveService(),  # type: ignore[arg-type]
        fences=no_fencing(state.identity.node),
        service="orders-db",
        role_every_s=60.0,
        standing_every_s=None,
        demand_limit_s=0.2,
        keep_floor=lambda _: None,
        stop=lambda *_: None,
        adoption=adoption,
    )


def test_a_demand_of_an_epoch_that_is_over_is_refused_while_the_session_is_taken_over() -> None:
    """A replay, or what was long on its way: the restarted controller does not know its own epoch yet."""

    async def story() -> tuple[DemoteAnswer, Role, Role]:
        store, edge = ControllersStore(), ControllersEdge()
        adoption = Adoption(store, edge, ACTIVE, lambda _: None, 600.0)  # type: ignore[arg-type]
        controller = controller_of(State(ME, Settings(has_role=True), floor=5), store, edge, adoption)
        await controller.start()
        answer = await controller.demand_demote(ME.node, 5, "db2")
        before = controller.engine.state.role
        store.reattaching.pop()[1](LIVES)
        after = controller.engine.state.role
        await controller.close()
        return answer, before, after

    answer, before, after = asyncio.run(story())
    assert answer.verdict is Verdict.NOT_DONE
    assert (before, after) == (Role.STARTING, Role.ACTIVE)


def test_the_end_of_a_switchover_is_written_however_often_the_store_fails() -> None:
    order = Switchover("o1", "db2", "db1", 6)

    async def story() -> None:
        store, edge = ControllersStore(), ControllersEdge()
        controller = controller_of(State(ME, Settings(), control=Control(3, switchover=order)), store, edge)
        controller.end_switchover(EndSwitchover("o1", "done", "db1 is active"))
        for _ in range(3):
            await eventually_async(lambda: store.writing, 2.0, "the end is being written")
            store.writing.pop()(ControlWritten(WriteOutcome.UNKNOWN))
            await eventually_async(lambda: edge.clock.waiting, 2.0, "it will be tried again")
            edge.clock.pass_s(END_AGAIN_S)
        await eventually_async(lambda: store.writing, 2.0, "the end is being written")
        store.writing.pop()(ControlWritten(WriteOutcome.DONE, Control(4)))
        await controller.close()
        assert edge.clock.waiting == 0

    asyncio.run(story())


def test_a_proof_is_told_at_once_and_makes_the_snapshot_no_younger() -> None:
    """Between two ticks a renewal is no step: without it /active would call a lock unproven that is proven."""

    async def story() -> None:
        store, edge = ControllersStore(), ControllersEdge()
        controller = controller_of(State(ME, Settings()), store, edge)
        before = controller.snapshot()
        assert (before.proven_s, before.step_down_s) == (None, None)
        edge.lease.start("s1", Lock(7, "s1", "db1"), edge.clock.now_s(), LeaseTerms(1.0, 4.0, 1.5, step_down=True))
        shown = controller.snapshot()
        assert (shown.proven_s, shown.step_down_s) == (edge.clock.now_s(), edge.clock.now_s() + 2.5)
        assert shown.taken_s == before.taken_s
        edge.lease.stop()
        assert controller.snapshot().proven_s is None
        await controller.close()

    asyncio.run(story())
