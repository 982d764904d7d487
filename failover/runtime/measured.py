"""A service's control that notes how long each question took and what came of it. Changes no answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from failover.core.effects import Demote, Follow, Promote
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Result, ServiceControl, Standing

A = TypeVar("A")
ENDED = "ended"


class MeasuredControl:
    """Implements `ServiceControl` around another one. `note(hook, verdict, seconds)` hears of each end."""

    def __init__(
        self, control: ServiceControl, note: Callable[[str, str, float], None], now_s: Callable[[], float]
    ) -> None:
        self._control = control
        self._note = note
        self._now_s = now_s

    async def promote(self, ask: Promote) -> Result:
        return await self._timed("promote", self._control.promote(ask), _verdict)

    async def demote(self, ask: Demote) -> Result:
        return await self._timed("demote", self._control.demote(ask), _verdict)

    async def follow(self, ask: Follow) -> Result:
        return await self._timed("follow", self._control.follow(ask), _verdict)

    async def role(self) -> ServiceRole:
        return await self._timed("role", self._control.role(), _told)

    async def standing(self) -> Standing:
        return await self._timed("standing", self._control.standing(), _fit)

    async def _timed(self, name: str, asked: Awaitable[A], verdict: Callable[[A], Verdict]) -> A:
        began_s, word = self._now_s(), ENDED
        try:
            answer = await asked
            word = verdict(answer).value
            return answer
        finally:
            self._note(name, word, self._now_s() - began_s)


def _verdict(result: Result) -> Verdict:
    return result.verdict


def _told(role: ServiceRole) -> Verdict:
    return Verdict.UNKNOWN if role is ServiceRole.UNKNOWN else Verdict.DONE


def _fit(standing: Standing) -> Verdict:
    return Verdict.NOT_DONE if standing.bar else Verdict.DONE
