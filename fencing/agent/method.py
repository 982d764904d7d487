"""How an agent fences: is it on? off! and is it off? What the device says afresh counts, not the agent's exit code.

Decides nothing: whether a device that never said ON is believed is the chain's matter (`Traits.witnessed`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.agent_values import MASKED, NEVER_FENCE, is_secret
from config.models.fencing import AgentMethodSettings
from config.secrets import Secret
from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits
from failover.support.launcher import Launcher
from fencing.agent.answers import Power, listed, plugs_of
from fencing.agent.discovery import FOLDERS, AgentError
from fencing.agent.metadata import metadata_of
from fencing.agent.options import OptionError, Told, tell
from fencing.agent.talk import LEAST_S, STATUS_SHARE, Talk
from fencing.agent.turns import NotMyTurn, turn
from fencing.target import Facts, facts_of, would_hit_this_host

SLACK_S = 0.1
"""Kept back: a method should answer itself before it is cut off."""


class AgentFence:
    """Implements `FenceMethod`. `nodes`: the locally configured facts; `folder`: for the devices' locks;
    `programs`: the folders of the agents."""

    def __init__(
        self,
        name: str,
        settings: AgentMethodSettings,
        launcher: Launcher,
        nodes: Mapping[str, Facts],
        folder: Path | None = None,
        programs: Sequence[str] = FOLDERS,
    ) -> None:
        """Asks the agent for its metadata, which blocks (once for each version of it, some 100 ms)."""
        self.name = name
        self.timeout_s = settings.timeout
        self._settings = settings
        self._launcher = launcher
        self._nodes = nodes
        self._folder = folder
        self._programs = programs
        fabric = self._is_fabric()  # S7: the node lives on, and may serve on; its storage must not be given back to it
        self.traits = Traits(
            attempts=settings.attempts,
            whole=settings.agent not in NEVER_FENCE and not fabric,
            power=not fabric,
            witnessed=True,
            restores=settings.restore and not fabric,
            askable=True,
        )

    async def fence(self, strike: Strike) -> Result:
        """DONE only if a fresh `status` says OFF. An agent that was not run at all: NOT_DONE."""
        try:
            talk = await self._prepared(strike, "")
            async with turn(talk.device, self._folder, talk.until):
                return await _struck(talk)
        except _Refused as refused:
            return Result(Verdict.NOT_DONE, f"nothing was done: {refused}")
        except NotMyTurn:
            return Result(Verdict.NOT_DONE, f"nothing was done: {_BUSY} for {self.timeout_s:g} s")

    async def probe(self, strike: Strike) -> Proof:
        """DONE if `status` says ON for a node that lives, and the plug is in the device's `list` where it has one."""
        try:
            talk = await self._prepared(strike, "-probe")
            async with turn(talk.device, self._folder, talk.until):
                return await _proven(talk)
        except _Refused as refused:
            return Proof(Verdict.NOT_DONE, str(refused))
        except NotMyTurn:
            return Proof(Verdict.UNKNOWN, f"{_BUSY} for {self.timeout_s:g} s")

    async def restore(self, strike: Strike) -> Result:
        """`on`, and a fresh `status` that says ON."""
        try:
            talk = await self._prepared(strike, "-restore")
            async with turn(talk.device, self._folder, talk.until):
                believed, words = await talk.order("on", talk.left_s() * (1 - STATUS_SHARE))
                after, after_words = await talk.power()
        except _Refused as refused:
            return Result(Verdict.NOT_DONE, str(refused))
        except NotMyTurn:
            return Result(Verdict.UNKNOWN, f"{_BUSY} for {self.timeout_s:g} s")
        if after is Power.ON:
            return Result(Verdict.DONE, "its device says ON")
        said = after_words if believed and after is Power.UNKNOWN else words
        return Result(Verdict.UNKNOWN, f"its power is {after.value} after `on`: {said}")

    def plan(self, strike: Strike) -> list[Line]:
        settings = self._settings
        try:
            metadata = metadata_of(settings.agent, self._programs)
            told = tell(settings.options, metadata, facts_of(strike, self._nodes))
        except (AgentError, OptionError) as reason:
            return [Line("cannot be run", str(reason))]
        except LookupError:  # the file was loaded without its secrets
            return [Line("program", settings.agent), *self._as_written(strike)]
        lines = [Line("program", str(metadata.path)), Line("action", _actions(told))]
        lines += [Line(name, value) for name, value in told.shown()]
        lines += [Line("ca", str(settings.ca))] if settings.ca else []
        lines += [Line("deadline", f"{settings.timeout:g} s for each of {settings.attempts} tries")]
        lines += [Line("restore", "on, once a peer is active")] if settings.restore else []
        obstacle = self._would_hit_this_host(strike)
        return [*lines, Line("cannot be run", obstacle)] if obstacle else lines

    def _as_written(self, strike: Strike) -> list[Line]:
        options = self._settings.options.items()
        return [
            Line(name, MASKED if isinstance(value, Secret) or is_secret(name) else str(value))
            for name, value in options
        ]

    async def _prepared(self, strike: Strike, suffix: str) -> Talk:
        """Raises _Refused."""
        until = asyncio.get_running_loop().time() + max(LEAST_S, self.timeout_s - SLACK_S)
        obstacle = self._would_hit_this_host(strike)
        if obstacle:
            raise _Refused(obstacle)
        try:
            metadata = await asyncio.to_thread(metadata_of, self._settings.agent, self._programs)
            told = tell(self._settings.options, metadata, facts_of(strike, self._nodes))
        except (AgentError, OptionError) as reason:
            hint = getattr(reason, "hint", "")
            raise _Refused(f"{reason}; {hint}" if hint else str(reason)) from None
        except LookupError as unread:
            raise _Refused(str(unread)) from None
        return Talk(self._launcher, f"fence-{self.name}{suffix}", metadata, told, self._settings.ca, until)

    def _is_fabric(self) -> bool:
        """What cannot be asked now may be so later; then the stricter is taken: it takes the host's power."""
        try:
            return metadata_of(self._settings.agent, self._programs).fabric
        except AgentError:
            return False

    def _would_hit_this_host(self, strike: Strike) -> str:
        texts = tuple(text for value in self._settings.templates.values() for text in value)
        return would_hit_this_host(strike, self._nodes, texts)


def _actions(told: Told) -> str:
    return "status, off, status" + (", for each plug by itself" if told.plugs else "")


_BUSY = "another action has held the device"


class _Refused(Exception):
    """Nothing was run; the text says why."""


async def _struck(talk: Talk) -> Result:
    before, _ = await talk.power(talk.share_s())
    saw_on = before is Power.ON
    believed, words = await talk.order("off", talk.left_s() - talk.begun_s * STATUS_SHARE)
    if talk.left_s() < LEAST_S:
        return Result(Verdict.UNKNOWN, f"off: {words}; no time was left to ask whether it is off", saw_on)
    after, after_words = await talk.power()
    if after is Power.OFF and believed:
        return Result(Verdict.DONE, f"its device says OFF (off: {words})", saw_on)
    if after is Power.OFF and saw_on:
        return Result(Verdict.DONE, f"its device says OFF, after it said ON (off: {words})", saw_on)
    if after is Power.OFF:
        return Result(
            Verdict.UNKNOWN, f"off: {words}; its device says OFF, but that it was ever on is not known", saw_on
        )
    if after is not Power.UNKNOWN:
        return Result(Verdict.UNKNOWN, f"off: {words}; but its device says that it is {after.value}", saw_on)
    return Result(Verdict.UNKNOWN, f"off: {words}; whether it is off is not known: {after_words}", saw_on)


async def _proven(talk: Talk) -> Proof:
    power, words = await talk.power(talk.left_s() * 0.6)
    missing = await _missing_plug(talk) if power is not Power.UNKNOWN else ""
    if power is Power.OFF:
        said = f"; {missing}" if missing else ": it is another one's device, or plug"
        return Proof(Verdict.NOT_DONE, f"its device says OFF for a node that lives{said}", lies=True)
    if missing:
        return Proof(Verdict.NOT_DONE, missing, on=False)
    if power is Power.ON:
        return Proof(Verdict.DONE, "its device says ON", on=True)
    if power is Power.SOME:
        return Proof(Verdict.NOT_DONE, f"its device says OFF for a plug of a node that lives: {words}")
    return Proof(Verdict.UNKNOWN, f"status: {words}")


async def _missing_plug(talk: Talk) -> str:
    """ "" if each plug is in the device's list, or it has none, or does not tell."""
    plug = talk.told.value("plug")
    if not plug or "list" not in talk.metadata.actions or talk.told.value("port_as_ip") or talk.left_s() < LEAST_S:
        return ""
    outcome, _ = await talk.run("list", talk.left_s())
    parameter = talk.metadata.parameter("separator")
    plugs = plugs_of(outcome, (parameter.default if parameter else "") or ",")
    if plugs is None:
        return ""
    separator = talk.told.value("plug_separator") or ","
    known = {name for row in plugs for name in row}
    gone = [each for each in plug.split(separator) if each not in known]
    return f"plug {', '.join(gone)} is not in the device's list ({listed(plugs)})" if gone else ""
