"""`kind: command`: a command of the operator's own fences. Exit 0 is done, 1 not done, all else unknown.

That exit 0 is true is the operator's word: no check of ours stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.placeholders import fill, used_in
from failover.core.values import Verdict
from failover.ports.service import Result, Strike
from failover.support.command import Command, hook_environment
from failover.support.launcher import Launcher
from fencing.target import Facts, environment_of, facts_of


class CommandFence:
    """Implements `FenceMethod`. `nodes`: the locally configured facts of each node."""

    def __init__(
        self,
        name: str,
        argv: tuple[str, ...],
        timeout_s: float,
        launcher: Launcher,
        nodes: Mapping[str, Facts],
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._argv = argv
        self._launcher = launcher
        self._nodes = nodes

    async def fence(self, strike: Strike) -> Result:
        """Fill in, run, and answer by the exit code. A fact that is missing: nothing is struck, UNKNOWN."""
        facts = facts_of(strike, self._nodes)
        try:
            argv = fill(self._argv, facts)
        except KeyError as missing:
            return Result(Verdict.UNKNOWN, f"{{{missing.args[0]}}} is not known: known are {', '.join(sorted(facts))}")
        if self._would_hit_this_host(strike, argv):
            name = strike.by
            words = f"it would strike this host: another machine was active as {name}; make sure that it is off, then: "
            words += f"failoverctl format --yes-i-mean {name}"
            return Result(Verdict.UNKNOWN, words)
        environment = hook_environment(environment_of(strike, facts))
        outcome = await self._launcher.run(Command(argv, environment, self.timeout_s, f"fence-{self.name}"))
        return Result(outcome.verdict, outcome.describe())

    def _would_hit_this_host(self, strike: Strike, argv: tuple[str, ...]) -> bool:
        """S7: a target of our own name (the machine was replaced) must differ from us in what is filled in."""
        if strike.target.node.name != strike.by:
            return False
        own = {**self._nodes.get(strike.by, {}), "name": strike.by}
        wanted = {name.removeprefix("node.") for name in used_in(self._argv)}
        return wanted <= own.keys() and fill(self._argv, own) == argv
