"""SIGHUP: the file is read again; what can change without a failover does, the rest is refused by name.

Knows which keys may change and how to build the parts anew; how they are swapped is the runtime's. A hook or a strike
that runs keeps the old settings to its end. Reading the file is slow, so it happens in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from config import Config, checks, draft
from config.loading import Examined
from config.models.section import Section
from config.problems import Finding
from failover.core.values import Health
from failover.daemon.compose import (
    DEMAND_SLACK_S,
    Works,
    deadlines_of,
    make_control,
    make_monitor,
    measured,
    reckoning,
    settings_of,
    standing_every_s,
)
from failover.daemon.fences import make_fence_parts
from failover.daemon.notify import Teller
from failover.runtime.controller import Reloaded

log = logging.getLogger("failoverd")

Examine = Callable[[], Examined]
Tell = Callable[[Health, str, bool, int], None]

# What peers, the store or the state folder know us by, and what an active has promised (S6).
FIXED = ("service", "node", "state_dir", "on_store_loss", "watchdog")
FIXED_SECTIONS = ("store", "api")
FIXED_IN_CONTROL = ("standby", "unit")


def may_take(old: Config, new: Config) -> tuple[Config, list[str]]:
    """The new configuration as far as it may be taken now, and the keys that stay as they were, by name."""
    refused = [name for name in FIXED if getattr(old, name) != getattr(new, name)]
    stays: dict[str, Any] = {name: getattr(old, name) for name in (*FIXED, *FIXED_SECTIONS)}
    for name in FIXED_SECTIONS:
        refused += [f"{name}.{key}" for key in _differing(getattr(old, name), getattr(new, name))]
    if old.nodes.get(old.node) != new.nodes.get(old.node):
        refused.append(f"nodes.{old.node}")  # it is in the breadcrumb, by which peers fence this node
    stays["nodes"] = _with_own(old, new.nodes)
    stays["control"] = _control(old, new, refused)
    return new.model_copy(update=stays), refused


def _with_own(old: Config, nodes: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    others = {name: facts for name, facts in nodes.items() if name != old.node}
    return {**others, old.node: old.nodes[old.node]} if old.node in old.nodes else others


def _control(old: Config, new: Config, refused: list[str]) -> Any:
    if type(old.control) is not type(new.control):
        refused.append("control.kind")
        return old.control
    stays: dict[str, Any] = {}
    for key in FIXED_IN_CONTROL:
        if getattr(old.control, key, None) != getattr(new.control, key, None):
            refused.append(f"control.{key}")
            stays[key] = getattr(old.control, key)
    demote, timeout = new.control.demote, old.control.demote.timeout
    if old.on_store_loss == "step_down" and demote.timeout != timeout:
        refused.append("control.demote.timeout")  # the lease that runs was reckoned with it
        stays["demote"] = demote.model_copy(update={"timeout": timeout})
    return new.control.model_copy(update=stays)


def _differing(old: Section, new: Section) -> list[str]:
    if type(old) is not type(new):
        return ["kind"]
    return [name for name in type(old).model_fields if getattr(old, name) != getattr(new, name)]


def _clashes(config: Config) -> list[Finding]:
    """Mistakes that come of the old and the new together, and are in no file."""
    return [found for found in checks.findings_of(draft.of_config(config)) if found.severity == "error"]


class Reloader:
    """Takes SIGHUPs, one after the other. `config`: what is in force."""

    def __init__(self, works: Works, config: Config, version: str, examine: Examine, teller: Teller) -> None:
        self._works = works
        self._version = version
        self._examine = examine
        self._teller = teller
        self._reload: asyncio.Task[None] | None = None
        self._again = False
        self.config = config

    def begin(self) -> None:
        """On the loop. A signal that comes while a reload runs makes it read the file once more."""
        self._again = True
        if self._reload is None or self._reload.done():
            self._reload = asyncio.get_running_loop().create_task(self._reload_all())
            self._reload.add_done_callback(_surface)

    async def _reload_all(self) -> None:
        while self._again:
            self._again = False
            self._teller.reloading()
            examined = await asyncio.to_thread(self._examine)
            if examined.config is None:
                for problem in examined.problems:
                    log.error("%s", problem)
                log.error("SIGHUP: the file has mistakes, listed above: nothing was changed")
            else:
                for warning in examined.config.warnings:
                    log.warning("%s", warning)
                await self._take(examined.config)
            self._teller.reloaded()

    async def _take(self, new: Config) -> None:
        old, (taken, refused) = self.config, may_take(self.config, new)
        for name in refused:
            log.error("SIGHUP: %s cannot change while the controller runs: it stays; restart to change it", name)
        for finding in _clashes(taken):
            log.error("SIGHUP: with what stays as it is, %s: %s", ".".join(map(str, finding.path)), finding.message)
            taken = old
        changed = _differing(old, taken)
        if not changed:
            log.info("SIGHUP: nothing was changed")
            return
        self.config = taken
        await self._works.controller.reload(self._parts(taken, "health" in changed))
        log.info("SIGHUP: reloaded: %s", ", ".join(changed))

    def _parts(self, config: Config, new_probes: bool) -> Reloaded:
        """Probes that stay keep their monitor, and with it what they have found."""
        works = self._works
        own = works.controller.engine.state.identity.node
        monitor = None
        if new_probes:
            monitor = make_monitor(config, works, _once_known(works.controller.tell_health))
        return Reloaded(
            settings=settings_of(config, self._version),
            control=measured(make_control(config, works.launcher, works.systemd, works.health), works.tally),
            fences=make_fence_parts(config, own, works.launcher, works.peer, works.folder, works.book),
            deadlines=deadlines_of(config),
            role_every_s=config.control.role_every_s,
            standing_every_s=standing_every_s(config),
            demand_limit_s=config.control.demote.timeout + DEMAND_SLACK_S,
            reckon=reckoning(config),
            monitor=monitor,
        )


def _once_known(tell: Tell) -> Tell:
    """The last word of the old probes stands until the new ones have one: a reload makes nobody unfit."""
    known = False

    def heard(health: Health, detail: str, gone: bool, impaired: int) -> None:
        nonlocal known
        known = known or health is not Health.UNKNOWN
        if known:
            tell(health, detail, gone, impaired)

    return heard


def _surface(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": "a reload broke", "exception": error})
