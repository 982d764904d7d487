"""`kind: controller`: the old active's own controller is asked to demote, at the address in the breadcrumb.

Only a signed `done` from that very node, machine and epoch counts; silence is unknown, however it comes about.
"""

from __future__ import annotations

import asyncio
import ssl

from failover.core.values import Verdict
from failover.ports.service import Result, Strike
from failover.support.http import HttpAnswer, HttpError, request
from fencing.peer import LARGEST_BODY, PATH, Demand, PeerAnswer, PeerAuth, PeerAuthError


class ControllerFence:
    """Implements `FenceMethod`. With `tls` the peers' API is asked over https."""

    def __init__(self, name: str, timeout_s: float, auth: PeerAuth, tls: ssl.SSLContext | None = None) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._auth = auth
        self._tls = tls

    async def fence(self, strike: Strike) -> Result:
        """Demand, and wait for the answer until `timeout_s` seconds have passed."""
        target = strike.target
        if not target.address:
            return Result(Verdict.UNKNOWN, f"the breadcrumb names no address of {target.node.name}'s controller")
        demand = Demand(strike.service, target.node, strike.epoch, strike.by)
        body, nonce = self._auth.sign_demand(demand)
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await self._post(target.address, body)
            return _judged(demand, self._auth.verify_answer(answer.body, nonce))
        except TimeoutError:
            return Result(Verdict.UNKNOWN, f"{target.address} did not answer in {self.timeout_s:g} s")
        except HttpError as error:
            return Result(Verdict.UNKNOWN, str(error))
        except PeerAuthError as error:
            words = f"{target.address} answered (status {answer.status}), but {error}"
            return Result(Verdict.UNKNOWN, words)

    async def _post(self, address: str, body: bytes) -> HttpAnswer:
        url = f"{'https' if self._tls else 'http'}://{address}{PATH}"
        try:
            return await request("POST", url, body=body, tls=self._tls, body_limit=LARGEST_BODY)
        except ValueError:
            raise HttpError(f"{address!r} is no address") from None


def _judged(demand: Demand, answer: PeerAnswer) -> Result:
    """A signed answer: `done` only from whom it was demanded of, for what was demanded."""
    same = (answer.service, answer.node, answer.epoch) == (demand.service, demand.target, demand.epoch)
    if answer.verdict is Verdict.DONE and not same:
        who = f"{answer.service}/{answer.node.name} (machine {answer.node.machine_id}, epoch {answer.epoch})"
        return Result(Verdict.UNKNOWN, f"done, but by another than was asked: {who}")
    return Result(answer.verdict, f"its controller answered {answer.verdict}: {answer.detail}".removesuffix(": "))
