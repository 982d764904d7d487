"""`kind: command`: a command of the operator's own fences. Exit 0 is done, 1 not done, all else unknown.

Where a `status` command is configured, it must say OFF afresh before `run` is believed. Without one, that exit 0 is
true is the operator's word: no check of ours stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.models.fencing import CommandMethodSettings
from config.placeholders import fill
from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits
from failover.support.command import Command, Outcome, hook_environment
from failover.support.launcher import Launcher
from fencing.target import Facts, environment_of, facts_of, would_hit_this_host

ON, OFF = 0, 2
"""The exit codes of `status`, as fence agents have them."""


class CommandFence:
    """Implements `FenceMethod`. `nodes`: the locally configured facts of each node."""

    def __init__(
        self, name: str, settings: CommandMethodSettings, launcher: Launcher, nodes: Mapping[str, Facts]
    ) -> None:
        self.name = name
        self.timeout_s = settings.timeout
        self.traits = Traits(
            attempts=settings.attempts,
            whole=settings.stops == "everything",
            witnessed=settings.status is not None,
            restores=settings.restore is not None,
            askable=settings.status is not None,
        )
        self._settings = settings
        self._launcher = launcher
        self._nodes = nodes

    async def fence(self, strike: Strike) -> Result:
        """Fill in, run, and answer by the exit code. A fact that is missing: nothing is struck, UNKNOWN."""
        obstacle = self._missing(strike) or would_hit_this_host(strike, self._nodes, self._settings.run)
        if obstacle:
            return Result(Verdict.UNKNOWN, obstacle)
        before = await self._status(strike)
        outcome = await self._run(self._settings.run, strike, "")
        told = Result(outcome.verdict, outcome.describe(), saw_on=_code(before) == ON)
        if told.verdict is not Verdict.DONE or self._settings.status is None:
            return told
        after = await self._status(strike)
        if _code(after) == OFF:
            return told
        words = after.describe() if after is not None else ""
        return Result(Verdict.UNKNOWN, f"{told.detail}, but its status does not say OFF: {words}", told.saw_on)

    async def probe(self, strike: Strike) -> Proof:
        """DONE if `status` says ON for a node that lives."""
        missing = self._missing(strike)
        if missing:
            return Proof(Verdict.NOT_DONE, missing)
        if self._settings.status is None:
            return Proof(Verdict.UNKNOWN, "no status command: its word is not tried")
        outcome = await self._status(strike)
        words = outcome.describe() if outcome is not None else ""
        if _code(outcome) == ON:
            return Proof(Verdict.DONE, "status says ON", on=True)
        if _code(outcome) == OFF:
            return Proof(Verdict.NOT_DONE, "status says OFF for a node that lives", lies=True)
        return Proof(Verdict.UNKNOWN, f"its status is not known: {words}")

    async def restore(self, strike: Strike) -> Result:
        """Run the `restore` command."""
        if self._settings.restore is None:
            return Result(Verdict.UNKNOWN, "no restore command")
        missing = self._missing(strike)  # a reload, or a strike that was not made for the same reason
        if missing:
            return Result(Verdict.NOT_DONE, missing)
        outcome = await self._run(self._settings.restore, strike, "-restore")
        return Result(outcome.verdict, outcome.describe())

    def plan(self, strike: Strike) -> list[Line]:
        missing = self._missing(strike) or would_hit_this_host(strike, self._nodes, self._settings.run)
        if missing:
            return [Line("cannot be run", missing)]
        facts = facts_of(strike, self._nodes)
        named = {"run": self._settings.run, "status": self._settings.status, "restore": self._settings.restore}
        return [Line(name, " ".join(fill(argv, facts))) for name, argv in named.items() if argv is not None]

    async def _status(self, strike: Strike) -> Outcome | None:
        if self._settings.status is None:
            return None
        return await self._run(self._settings.status, strike, "-status")

    async def _run(self, argv: tuple[str, ...], strike: Strike, suffix: str) -> Outcome:
        facts = facts_of(strike, self._nodes)
        environment = hook_environment(environment_of(strike, facts))
        name = f"fence-{self.name}{suffix}"
        return await self._launcher.run(Command(fill(argv, facts), environment, self.timeout_s, name))

    def _argvs(self) -> tuple[tuple[str, ...], ...]:
        settings = self._settings
        return tuple(argv for argv in (settings.run, settings.status, settings.restore) if argv is not None)

    def _missing(self, strike: Strike) -> str:
        facts = facts_of(strike, self._nodes)
        try:
            for argv in self._argvs():
                fill(argv, facts)
        except KeyError as missing:
            return f"{{{missing.args[0]}}} is not known: known are {', '.join(sorted(facts))}"
        return ""


def _code(outcome: Outcome | None) -> int | None:
    """The exit code of a command that ended by itself."""
    return outcome.exit_code if outcome is not None and outcome.ended else None
