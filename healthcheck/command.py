"""`kind: command`: the exit code of a command of the operator's own: 0 healthy, 1 unhealthy, else not responding."""

from __future__ import annotations

from failover.core.values import Health, Verdict
from failover.ports.service import Finding
from failover.support.command import Command, hook_environment
from failover.support.launcher import Launcher
from healthcheck.asking import AskingProbe
from healthcheck.timing import Timing

_HEALTH = {
    Verdict.DONE: Health.HEALTHY,
    Verdict.NOT_DONE: Health.UNHEALTHY,
    Verdict.UNKNOWN: Health.NOT_RESPONDING,
}


class CommandProbe(AskingProbe):
    """Runs `argv` with the service's and the node's name in its environment."""

    def __init__(self, argv: tuple[str, ...], launcher: Launcher, service: str, node: str, timing: Timing) -> None:
        super().__init__(f"command {argv[0] if len(argv) == 1 else argv[-1]}"[:80], timing)
        self._argv = argv
        self._launcher = launcher
        self._facts = {"FAILOVER_SERVICE": service, "FAILOVER_NODE": node}

    async def check(self) -> Finding:
        """Run it once, ended at the probe's time-out."""
        environment = hook_environment(self._facts)
        outcome = await self._launcher.run(Command(self._argv, environment, self.timeout_s, "probe"))
        return Finding(_HEALTH[outcome.verdict], outcome.describe())
