"""One try's talk with one device: an agent for each action, every one within what is left of the try's time.

Of several plugs each is asked, and switched off, by an agent of its own: given a list, `fence_apc_snmp` and its like
speak of the first only, and with all others an outlet that does not exist hides behind one that is ON. What an answer
is worth is not known here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from failover.support.command import DEFAULT_PATH, Command, Outcome
from failover.support.launcher import Launcher
from fencing.agent.answers import Power, power_of_all, words_of
from fencing.agent.metadata import Metadata
from fencing.agent.options import Told

STATUS_SHARE = 0.25
"""Of a try's time, kept for each of the two questions around the order."""
LEAST_S = 0.1


class Talk:
    """One try's talk. `until`: its deadline, in the loop's time."""

    def __init__(
        self, launcher: Launcher, name: str, metadata: Metadata, told: Told, ca: Path | None, until: float
    ) -> None:
        self.metadata = metadata
        self.told = told
        self.until = until
        self.device = told.device(metadata.agent)
        self.begun_s = until - asyncio.get_running_loop().time()
        self._launcher = launcher
        self._name = name
        self._environment = {"PATH": DEFAULT_PATH, "LC_ALL": "C", "PYTHONWARNINGS": "ignore"}
        if ca is not None:
            self._environment["REQUESTS_CA_BUNDLE"] = str(ca)

    def left_s(self) -> float:
        """Until the deadline."""
        return self.until - asyncio.get_running_loop().time()

    def share_s(self) -> float:
        """What one question may take."""
        return min(self.begun_s * STATUS_SHARE, self.left_s())

    async def run(self, action: str, limit_s: float, told: Told | None = None) -> tuple[Outcome, str]:
        """One action, and the words for it. What it started ends with it, whatever became of its session."""
        limit_s = max(LEAST_S, min(limit_s, self.left_s()))
        argv = (str(self.metadata.path),)
        command = Command(
            argv, self._environment, limit_s, f"{self._name}-{action}", (told or self.told).stdin(action),
            split=True, whole_tree=True,
        )  # fmt: skip
        outcome = await self._launcher.run(command)
        return outcome, words_of(outcome, limit_s, self.told.secrets)

    async def order(self, action: str, limit_s: float) -> tuple[bool, str]:
        """One action, of each plug; whether each was a success, and the words for it."""
        outcomes, words = await self._each(action, limit_s)
        return all(outcome.ended and outcome.exit_code == 0 for outcome in outcomes), words

    async def power(self, limit_s: float | None = None) -> tuple[Power, str]:
        """A fresh `status`, of each plug, and the words for it."""
        outcomes, words = await self._each("status", self.left_s() if limit_s is None else limit_s)
        return power_of_all(outcomes), words

    async def _each(self, action: str, limit_s: float) -> tuple[list[Outcome], str]:
        """One after the other: many a device has room for one login."""
        until = asyncio.get_running_loop().time() + limit_s
        outcomes, said = [], []
        for left, told in zip(range(max(1, len(self.told.plugs)), 0, -1), self.told.each(), strict=True):
            share_s = (until - asyncio.get_running_loop().time()) / left
            outcome, words = await self.run(action, share_s, told)
            outcomes.append(outcome)
            said.append(f"plug {told.value('plug')}: {words}" if self.told.plugs else words)
        return outcomes, "; ".join(said)
