"""What every endpoint shares: the controller, who is let in, and how old a snapshot may be (S11).

Knows no endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any, TypeVar

from failover.api.access import Tokens
from failover.api.judgement import age_s
from failover.api.problems import ProblemError
from failover.ports.controller import Controller, OrderRefused, Snapshot

HISTORY_TIMEOUT_S = 3.0
KNOWN_HISTORY_TIMEOUT_S = 1.0  # the page must not wait for what it can do without
HISTORY_KEPT_S = 2.0  # so that many open pages do not become many reads of the store
LONGEST_ANSWER_S = 30.0
# A load balancer must not end every connection because a controller is restarted. Longer than an adoption takes.
ADOPTION_S = 2.0
ASK_AGAIN_S = 0.02

Answer = TypeVar("Answer")


class Front:
    """One API in front of one controller. `closing` is set when the server is about to stop."""

    def __init__(self, controller: Controller, tokens: Tokens, stale_after_s: float) -> None:
        self.controller = controller
        self.tokens = tokens
        self.stale_after_s = stale_after_s
        self.closing = asyncio.Event()
        self.streams = 0
        self._history: list[dict[str, Any]] = []
        self._history_read_s: float | None = None

    def newest(self) -> tuple[Snapshot, float]:
        """The newest snapshot, however old, and the present time on its clock."""
        return self.controller.snapshot(), self.controller.now_s()

    def is_stale(self, snapshot: Snapshot, now_s: float) -> bool:
        """Whether nothing may be said from this snapshot any more."""
        return age_s(snapshot, now_s) > self.stale_after_s

    def fresh(self) -> tuple[Snapshot, float]:
        """The newest snapshot and the present time. Raises ProblemError 503 when it is stale."""
        snapshot, now_s = self.newest()
        if self.is_stale(snapshot, now_s):
            raise stale(snapshot, now_s)
        return snapshot, now_s

    async def adopted(self) -> None:
        """Return once it is known what became of a predecessor's session; after ADOPTION_S seconds in any case."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ADOPTION_S):
                while self.controller.snapshot().adopting and not self.closing.is_set():
                    await asyncio.sleep(ASK_AGAIN_S)

    async def history(self, limit_s: float = HISTORY_TIMEOUT_S) -> list[dict[str, Any]]:
        """The service's history. Raises ProblemError 504, or the controller's OrderRefused, when it does not come."""
        self._history_read_s = self.controller.now_s()
        self._history = await in_time(self.controller.history(), limit_s)
        return self._history

    async def known_history(self) -> list[dict[str, Any]]:
        """The history as far as it is known, up to HISTORY_KEPT_S old: for answers that do not depend on it."""
        snapshot, now_s = self.newest()
        read_s = self._history_read_s
        kept = read_s is not None and now_s - read_s <= HISTORY_KEPT_S
        if snapshot.connected and not kept:
            with contextlib.suppress(ProblemError, OrderRefused):
                await self.history(KNOWN_HISTORY_TIMEOUT_S)
        return self._history


def stale(snapshot: Snapshot, now_s: float) -> ProblemError:
    """The answer in place of anything that an old snapshot would say."""
    age = age_s(snapshot, now_s)
    return ProblemError(
        503,
        "stale",
        f"the controller has not looked for {age:.1f} s: what it knew is not told any more",
        f"look at its log: journalctl -u failoverd@{snapshot.service}",
        headers={"Retry-After": "1"},
        more={"age_s": round(age, 3), "stale": True},
    )


async def in_time(answer: Awaitable[Answer], limit_s: float = LONGEST_ANSWER_S) -> Answer:
    """The controller's answer. Raises ProblemError 504 after `limit_s` seconds: whether it was done is unknown (S5)."""
    try:
        async with asyncio.timeout(limit_s):
            return await answer
    except TimeoutError:
        raise ProblemError(
            504,
            "no-answer",
            f"the controller did not answer in {limit_s:.0f} s: whether it was done is unknown",
            "look at /v1/status before asking again",
        ) from None
