"""The last will of a controller that will not come back (design §3): demote, hand over, close the saved session.

The ordinary controller does it, with its own core and rules: it adopts the session as after any restart, and is told
at once to stop for good. So nothing is skipped, and nothing is decided here. Only who adopts nothing opens no session,
no API listens, and no probe runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from config import Config
from failover.core.events import Demoted, Event, HandedOver, SessionClosed, WriteOutcome
from failover.core.values import ServiceRole
from failover.daemon.compose import Works, assemble, deadlines_of
from failover.daemon.fail_stop import FailStop
from failover.daemon.state_folder import StateFolder
from failover.ports.store import View

log = logging.getLogger("failoverd")

LONGEST_PATIENCE_S = 5.0
CLOSING_S = 5.0
TELL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """What was done, and what was not.

    `service`: paused (left as it was), demoted, standby (it was), doubtful (it may be active).
    `session`: closed, gone (ended before), none (nothing usable was saved), away (the store was not reached),
    unconfirmed, left (paused). `breadcrumb`: clean (marked now), not_ours, as_it_was. `locked`: the lock was ours.
    """

    service: str
    service_detail: str
    session: str
    breadcrumb: str
    locked: bool
    hooks_ended: tuple[str, ...] = field(default=())
    hooks_alive: tuple[str, ...] = field(default=())

    @property
    def released(self) -> bool:
        """Nothing of this node keeps a peer waiting, and nothing makes it fence."""
        if self.session == "closed":
            return not self.locked or self.breadcrumb == "clean"
        return self.session == "gone" or (self.session == "none" and not self.locked)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "released": self.released}


class _Will:
    """One last will being carried out."""

    def __init__(self, config: Config, tell: Callable[[str], None]) -> None:
        self._config = config
        self._tell = tell
        self._reached = asyncio.Event()
        self._patience_s = min(LONGEST_PATIENCE_S, deadlines_of(config).store_s)
        self._works: Works
        self._view: View | None = None

    def ended(self) -> None:
        """The controller has done all that it could."""
        self._reached.set()

    def told_all(self) -> None:
        """What became of the saved session is known: now stop for good."""
        if not self._works.controller.engine.state.stopping:
            self._works.controller.request_stop(last=True)

    @property
    def longest_s(self) -> float:
        """The bound of everything: each step's own deadline, once."""
        limits = deadlines_of(self._config)
        return 3 * self._patience_s + limits.demote_s + limits.hook_slack_s + 2 * limits.store_s

    async def carry_out(self, works: Works) -> Fulfilled:
        """Pause first: under it nothing is touched."""
        self._works = works
        telling = asyncio.create_task(self._tell_on())
        try:
            self._view = await self._look()
            if self._paused():
                log.warning("paused: the service and its session are left as they are")
                return self._outcome()
            async with asyncio.timeout(self.longest_s):
                await self._stop_for_good()
        except TimeoutError:
            log.error("not everything was done within %.0f s", self.longest_s)
        finally:
            telling.cancel()
        return self._outcome()

    async def _look(self) -> View | None:
        """What the store says now; None if it does not answer in time."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[View | None] = loop.create_future()

        def heard(view: View | None) -> None:
            if not answered.done():
                answered.set_result(view)

        self._works.store.read_view(self._works.edge.from_thread(heard))
        try:
            return await asyncio.wait_for(answered, self._patience_s)
        except TimeoutError:
            return None

    def _paused(self) -> bool:
        return self._view is not None and (self._view.control.pause is not None or bool(self._view.control.error))

    async def _stop_for_good(self) -> None:
        """With the store away the demote does not wait for it, and takes the session up should it come back in time."""
        await self._works.controller.start()
        if self._view is None:
            log.warning("the store does not answer: whether the service is paused is not known; demoting all the same")
            self.told_all()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._reached.wait()
        except TimeoutError:
            self.told_all()
        await self._reached.wait()

    async def _tell_on(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            state = self._works.controller.engine.state
            self._tell(f"{loop.time() - began:6.1f} s  {state.role.value}: {state.why}")

    # --- what came of it ------------------------------------------------------------------------

    def _outcome(self) -> Fulfilled:
        happened, hooks = self._works.controller.witnessed(), self._works.hooks
        service, detail = self._service(happened)
        session = "left" if service == "paused" else self._session(happened)
        return Fulfilled(service, detail, session, self._breadcrumb(happened), self._locked(), hooks.ended, hooks.alive)

    def _service(self, happened: list[Event]) -> tuple[str, str]:
        state = self._works.controller.engine.state
        demotes = [event for event in happened if isinstance(event, Demoted)]
        if self._paused() or (state.paused and state.ended and not demotes):  # or it was paused in this very moment
            return "paused", ""
        if ServiceRole.STANDBY in (state.service, state.reported):
            return ("demoted", demotes[-1].detail) if demotes else ("standby", "role says standby")
        return "doubtful", demotes[-1].detail if demotes else "demote has not ended in time"

    def _session(self, happened: list[Event]) -> str:
        adoption = self._works.adoption
        if adoption is None or not adoption.had_session:
            return "none"
        if adoption.answer is None:
            return "away"
        if adoption.answer.session is None:
            return "gone"
        closed = [event.done for event in happened if isinstance(event, SessionClosed)]
        return "closed" if adoption.closed or any(closed) else "unconfirmed"

    def _breadcrumb(self, happened: list[Event]) -> str:
        if any(isinstance(event, HandedOver) and event.outcome is WriteOutcome.DONE for event in happened):
            return "clean"
        record = self._view.crumb.record if self._view is not None else None
        mine = record is not None and record.node == self._works.controller.engine.state.identity.node
        return "as_it_was" if mine or self._view is None else "not_ours"

    def _locked(self) -> bool:
        """Whether this node held the lock when we came; in doubt it did."""
        if self._view is None:
            return True
        return self._view.holder is not None and self._view.holder.node == self._config.node


def fulfil(config: Config, version: str, tell: Callable[[str], None]) -> Fulfilled:
    """Do it, in a bounded time; `tell` hears once a second how far it is.

    Raises AlreadyRunningError (S9), StateFolderError, IdentityError or LauncherError: nothing was done then.
    """
    folder = StateFolder(config.state_dir / config.service)
    folder.take()
    return asyncio.run(_fulfil(config, folder, version, tell))


async def _fulfil(config: Config, folder: StateFolder, version: str, tell: Callable[[str], None]) -> Fulfilled:
    will = _Will(config, tell)
    works = await assemble(config, folder, version, lambda *_: will.ended(), will.told_all)
    fail_stop = FailStop(folder.path, works.controller.dump)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: fail_stop.on_exception(context))
    try:
        return await will.carry_out(works)
    finally:
        await _close(works)


async def _close(works: Works) -> None:
    try:
        async with asyncio.timeout(CLOSING_S):
            await works.controller.close()
            await works.launcher.close()
    except TimeoutError:
        log.error("not everything ended in %.0f s; ending all the same", CLOSING_S)
    works.store.shut_down()
