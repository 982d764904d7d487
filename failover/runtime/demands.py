"""Peers' demands that this node demote (kind: controller): posted to the core, answered when it is over.

Knows neither how a demand was signed nor what the core makes of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from failover.core.effects import AnswerDemand
from failover.core.events import DemoteDemanded, Event
from failover.core.values import Node, Verdict
from failover.ports.controller import DemoteAnswer


class Demands:
    """`limit_s`: how long an answer may take, in seconds; a reload changes it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, own: Node, post: Callable[[Event], None], limit_s: float
    ) -> None:
        self._loop = loop
        self._own = own
        self._post = post
        self.limit_s = limit_s
        self._waiting: dict[str, asyncio.Future[DemoteAnswer]] = {}

    async def make(self, target: Node, epoch: int, by: str) -> DemoteAnswer:
        """Post it, and wait for the answer."""
        request = secrets.token_hex(8)
        answered: asyncio.Future[DemoteAnswer] = self._loop.create_future()
        self._waiting[request] = answered
        self._loop.call_soon(self._post, DemoteDemanded(request, target, epoch, by))
        try:
            return await asyncio.wait_for(answered, self.limit_s)
        except TimeoutError:
            return DemoteAnswer(Verdict.UNKNOWN, self._own, epoch, "the demote has not ended in time")
        finally:
            self._waiting.pop(request, None)

    def answer(self, answer: AnswerDemand) -> None:
        """The core has answered."""
        waiting = self._waiting.pop(answer.request, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(DemoteAnswer(answer.verdict, answer.node, answer.epoch, answer.detail))
