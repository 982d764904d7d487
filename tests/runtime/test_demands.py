"""A peer's demand that comes while a predecessor's session is being taken over (S7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from failover.core.events import Event
from failover.core.state import State
from failover.core.values import Role, ServiceRole, Settings, Verdict
from failover.ports.controller import DemoteAnswer
from failover.ports.store import StoreTraits
from failover.runtime.adoption import Adoption
from failover.runtime.controller import RunningController
from failover.runtime.lease import Lease
from tests.runtime.test_adoption import ACTIVE, LIVES, ME, AdoptingEdge, WrittenStore


class ControllersStore(WrittenStore):
    """With what the controller needs of it besides."""

    traits = StoreTraits(kind="zookeeper", survives_restart=True)

    def connect(self, listener: Callable[[Event], None]) -> None:
        """Nothing comes by itself."""


class ControllersEdge(AdoptingEdge):
    """With what the controller needs of it besides."""

    def wire(self, extras: Any, post: Callable[[Event], None]) -> None:
        self.lease = Lease(self, lambda *_: None, post)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Any:
        return self.clock.call_later(delay_s, callback)

    def session_opened(self, timeout_s: float) -> None:
        """The lease is of no interest here."""

    def lease_bar(self, timeout_s: float) -> str:
        return ""

    async def close(self) -> None:
        """Nothing runs."""


class ActiveService:
    """Says that it is active."""

    async def role(self) -> ServiceRole:
        return ServiceRole.ACTIVE


def test_a_demand_of_an_epoch_that_is_over_is_refused_while_the_session_is_taken_over() -> None:
    """A replay, or what was long on its way: the restarted controller does not know its own epoch yet."""

    async def story() -> tuple[DemoteAnswer, Role, Role]:
        store, edge = ControllersStore(), ControllersEdge()
        adoption = Adoption(store, edge, ACTIVE, lambda _: None, 600.0)  # type: ignore[arg-type]
        controller = RunningController(
            asyncio.get_running_loop(),
            State(ME, Settings(has_role=True), floor=5),
            edge,  # type: ignore[arg-type]
            store,  # type: ignore[arg-type]
            ActiveService(),  # type: ignore[arg-type]
            service="orders-db",
            role_every_s=60.0,
            standing_every_s=None,
            demand_limit_s=0.2,
            keep_floor=lambda _: None,
            stop=lambda *_: None,
            adoption=adoption,
        )
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
