"""From configuration to a wired controller: the one place that knows every part.

Heavy imports happen here, at start, never in the middle of a failover. Those of the API only where there is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from config import Config, config_hash, failover_timing, lease_timing
from config.timing import asked_session_s, own_promise, promise_of
from failover.control import CONTROLS, ControlContext
from failover.control.command import PROMOTE
from failover.core.state import State
from failover.core.values import Health, Identity, Settings
from failover.daemon.fences import make_fences
from failover.daemon.identity import identify, read_machine_id_on_one_host
from failover.daemon.session_file import SessionFile
from failover.daemon.state_folder import StateFolder, StateFolderError
from failover.daemon.stores import make_store
from failover.daemon.tls import shown_files
from failover.ports.self_fence import SELF_FENCE_SOCKET
from failover.ports.service import Probe, ServiceControl, Sight
from failover.ports.store import Store
from failover.runtime.adoption import Adoption
from failover.runtime.controller import RunningController
from failover.runtime.edge import AsyncEdge, Deadlines, boot_time_s
from failover.runtime.lease import LeaseTerms
from failover.runtime.measured import MeasuredControl
from failover.runtime.tally import Tally
from failover.runtime.timetable import Reckon, Timetable, Told
from failover.support.deferred_models import models_built_when_used
from failover.support.hook_records import EndedHooks, end_recorded_hooks
from failover.support.launcher import Launcher
from failover.support.systemd import connect
from fencing.peer import PeerAuth
from fencing.proofs import ProofBook
from healthcheck import PROBES, Monitor, ProbeContext
from healthcheck.once import look

if TYPE_CHECKING:
    from failover.api.access import Tokens
    from failover.api.server import ApiServer
    from failover.support.systemd_bus import SystemdBus
    from fencing.watchdog.self_fence import WatchdogSelfFence

log = logging.getLogger("failoverd")

STALE_AFTER_S = 3.0
DEMAND_SLACK_S = 5.0
READY_EVERY_S = 2.0


class ServiceHealth:
    """What the control hears of the probes. It is made before the monitor, and outlives it over a reload."""

    def __init__(self) -> None:
        self.probes: list[Probe] = []
        self.monitor: Monitor | None = None

    def ends(self) -> int:
        """How often the service has ended, as far as this monitor has told."""
        return self.monitor.ends if self.monitor is not None else 0

    async def look(self) -> Sight:
        """Ask every probe once. A probe that begins anew does not know the orphans that the monitor knows of."""
        sight = await look(self.probes)
        known = self.monitor.process_seen() if self.monitor is not None else ""
        return replace(sight, up=known, absent=False) if sight.absent and known else sight


@dataclass(frozen=True, slots=True)
class Works:
    """What decides and acts. `hooks`: what became of those that a predecessor had left running."""

    controller: RunningController
    launcher: Launcher
    store: Store
    edge: AsyncEdge
    peer: PeerAuth | None
    adoption: Adoption | None
    hooks: EndedHooks
    systemd: Callable[[], SystemdBus]
    health: ServiceHealth
    book: ProofBook
    folder: Path
    tally: Tally


@dataclass(frozen=True, slots=True)
class Parts:
    """The whole daemon: what must be started and ended."""

    works: Works
    server: ApiServer


def settings_of(config: Config, version: str) -> Settings:
    """The configuration as far as decisions depend on it."""
    return Settings(
        step_down=config.on_store_loss == "step_down",
        standby_stopped=config.control.standby == "stopped",
        has_follow=config.control.follow is not None,
        has_role=config.control.tells_role,
        candidate=config.candidate,
        priority=config.priority,
        head_start_s=config.limits.head_start,
        lease_s=lease_timing(config, asked_session_s(config)).lease_s,
        retry_first_s=config.limits.retry.first,
        retry_longest_s=config.limits.retry.longest,
        within_s=config.limits.within,
        failovers=config.limits.failovers,
        restarts=config.limits.restarts,
        max_lag=config.max_lag,
        config_hash=config_hash(config),
        version=version,
    )


def deadlines_of(config: Config) -> Deadlines:
    """Seconds for each kind of effect. A store that has not answered for a session's length never will."""
    store_s = config.store.session_timeout if config.store.kind == "zookeeper" else 5.0
    control = config.control
    return Deadlines(
        store_s=store_s,
        promote_s=control.promote.timeout,
        demote_s=control.demote.timeout,
        follow_s=control.follow.timeout if control.follow else 0.0,
        fence_s=config.fencing.timeout,
    )


def terms_for(config: Config, negotiated_s: float) -> LeaseTerms:
    """The lease under the session time-out that the servers granted (S6)."""
    timing = lease_timing(config, negotiated_s)
    step_down = config.on_store_loss == "step_down"
    return LeaseTerms(timing.renew_every_s, timing.lease_s, config.control.demote.timeout, step_down)


def reckoning(config: Config) -> Reckon:
    """What is told of timing; a store without sessions grants none, whatever it says."""
    asked_s = asked_session_s(config)

    def reckon(granted_s: float) -> Told:
        timing = failover_timing(config, granted_s if asked_s else 0.0)
        return timing.said(), timing.figures()

    return reckon


def standing_every_s(config: Config) -> float | None:
    """Seconds between the questions to `position` and `ready`; None where neither is configured."""
    if config.control.position is not None:
        return config.control.position.every
    asks = config.control.ready is not None or config.control.kind == "systemd"  # can its unit be started at all?
    return READY_EVERY_S if asks else None


def make_probes(config: Config, launcher: Launcher, systemd: Callable[[], SystemdBus] = connect) -> list[Probe]:
    """The probes in the order of the file."""
    context = ProbeContext(launcher, config.service, config.node, systemd)
    return [PROBES[settings.kind](settings, context) for settings in config.health]


def make_monitor(config: Config, works: Works, tell: Callable[[Health, str, bool, int], None]) -> Monitor:
    """What asks the probes for as long as the controller runs. `tell` hears health, why, whether it is gone, and how
    many probes fail that are not critical."""
    probes = make_probes(config, works.launcher, works.systemd)
    works.health.monitor = Monitor(probes, lambda said: tell(said.health, said.detail, said.gone, said.impaired))
    return works.health.monitor


def make_control(
    config: Config, launcher: Launcher, systemd: Callable[[], SystemdBus], health: ServiceHealth
) -> ServiceControl:
    """What steers the service; the probes that it looks with are its own."""
    addresses = {name: facts["address"] for name, facts in config.nodes.items() if "address" in facts}
    health.probes = make_probes(config, launcher, systemd)
    context = ControlContext(launcher, config.service, config.node, addresses, health.look, health.ends, systemd)
    return CONTROLS[config.control.kind](config.control, context)


def measured(control: ServiceControl, tally: Tally) -> ServiceControl:
    """The control, with what it is asked counted."""
    return MeasuredControl(control, tally.hook_ended, boot_time_s)


def _tokens(config: Config) -> Tokens:
    from failover.api.access import Tokens

    entries = config.api.tokens.entries if config.api.tokens is not None else ()
    clients = config.api.tls.clients if config.api.tls is not None else {}
    return Tokens(((token.name, token.role, token.secret.reveal()) for token in entries), clients)


def _identity(config: Config) -> Identity:
    machine_id = read_machine_id_on_one_host() if config.store.kind == "local" else ""
    return identify(config.node, config.api.advertise, config.nodes.get(config.node, {}), machine_id)


def make_adoption(
    config: Config,
    folder: StateFolder,
    identity: Identity,
    store: Store,
    edge: AsyncEdge,
    alive: tuple[str, ...],
    then: Callable[[], None] | None,
) -> Adoption | None:
    """What keeps the session for a successor, and takes over a predecessor's; None where no session survives."""
    if not store.traits.survives_restart and then is None:
        return None
    file = SessionFile(folder.path, config.service, identity)
    bar = f"hooks of the last controller still run: {', '.join(alive)}" if alive else ""
    return Adoption(store, edge, file.read(), file.write, config.limits.within, bar, then)


def end_hooks_of(folder: Path) -> EndedHooks:
    """S4: what the predecessor has left running is ended before the store is touched. Raises StateFolderError."""
    try:
        return end_recorded_hooks(folder)
    except OSError as error:
        raise StateFolderError(
            f"the records of running hooks in {folder} cannot be read: {error.strerror}; "
            "end what the last controller has left running, then remove them"
        ) from None


def make_self_fence(config: Config, folder: Path) -> WatchdogSelfFence | None:
    """The watchdog, with what a predecessor has left armed; None where none is configured."""
    promise = own_promise(config)
    if promise is None and not (folder / SELF_FENCE_SOCKET).exists():
        return None
    from config.models.watchdog import WatchdogSettings
    from fencing.watchdog.self_fence import WatchdogSelfFence

    settings = config.watchdog
    if settings is None or promise is None:  # what was armed before it was taken out of the file is fed to the end
        settings = (settings or WatchdogSettings()).model_copy(update={"mode": "off"})
        promise = promise_of(settings, asked_session_s(config))
    self_fence = WatchdogSelfFence(settings, promise, folder)
    self_fence.resume()
    return self_fence


async def assemble(
    config: Config,
    folder: StateFolder,
    version: str,
    stop: Callable[[int, str], None],
    then: Callable[[], None] | None = None,
) -> Works:
    """Wire what decides and acts, without API and probes: all that ending a predecessor's work needs.

    Raises IdentityError, StateFolderError or LauncherError; nothing has started to decide yet. `then`: see Adoption.
    """
    identity = _identity(config)
    floor = folder.floor()
    hooks = end_hooks_of(folder.path)
    if hooks.ended:
        log.warning("hooks of a predecessor were ended: %s", ", ".join(hooks.ended))
    if hooks.alive:
        log.error("hooks of a predecessor cannot be ended, so no demote counts as done: %s", ", ".join(hooks.alive))
    launcher = await Launcher.start(folder.path)
    peer = PeerAuth(config.api.peer_secret.reveal().encode()) if config.api.peer_secret else None
    systemd = cache(connect)  # one connection for all, and none where no unit is named
    health = ServiceHealth()
    tally = Tally(boot_time_s)
    control = measured(make_control(config, launcher, systemd, health), tally)
    store = make_store(config)
    fences, book = make_fences(config, identity, launcher, peer, folder.path)
    loop = asyncio.get_running_loop()
    self_fence = make_self_fence(config, folder.path)
    edge = AsyncEdge(
        loop,
        config.service,
        config.node,
        store,
        control,
        fences,
        deadlines_of(config),
        lambda negotiated_s: terms_for(config, negotiated_s),
        self_fence,
        lambda: launcher.alive(PROMOTE),
        tally.renewed,
    )
    adoption = make_adoption(config, folder, identity, store, edge, hooks.alive, then)
    controller = RunningController(
        loop,
        State(identity, settings_of(config, version), floor=floor),
        edge,
        store,
        control,
        fences=fences,
        service=config.service,
        role_every_s=config.control.role_every_s,
        standing_every_s=standing_every_s(config),
        demand_limit_s=config.control.demote.timeout + DEMAND_SLACK_S,
        keep_floor=folder.keep_floor,
        stop=stop,
        adoption=adoption,
        timetable=Timetable(reckoning(config), asked_session_s(config)),
        bar=self_fence.bar if self_fence is not None else "",
        tally=tally,
    )
    return Works(controller, launcher, store, edge, peer, adoption, hooks, systemd, health, book, folder.path, tally)


async def compose(config: Config, folder: StateFolder, version: str, stop: Callable[[int, str], None]) -> Parts:
    """Wire everything. Raises as `assemble` does; nothing has started to decide yet."""
    with models_built_when_used():
        from failover.api.app import create_app
        from failover.api.server import ApiServer

    works = await assemble(config, folder, version, stop)
    works.controller.monitor = make_monitor(config, works, works.controller.tell_health)
    app = create_app(works.controller, _tokens(config), works.peer, STALE_AFTER_S)
    return Parts(works, ApiServer(app, config.api.listen, folder.socket, shown_files(config)))
