"""`kind: controller`: the old active's own controller is asked to demote, at the address in the breadcrumb.

With a CA it is asked by https first, and in the clear where no TLS is spoken: while a cluster moves to https some
controllers speak it and others do not, and a breadcrumb is older than its node's last restart. That costs no safety,
since demand and answer are signed and hold no secret.

Only a signed `done` from that very node, machine and epoch counts; silence is unknown, however it comes about.
"""

from __future__ import annotations

import asyncio
import ssl

from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits
from failover.support.http import BrokenOffError, HttpAnswer, HttpError, NoTlsError, request
from failover.support.tls import TlsFiles, TlsFilesError, client_context
from fencing.peer import LARGEST_BODY, PATH, Demand, PeerAnswer, PeerAuth, PeerAuthError

REFUSED_EPOCH = 0
"""Never above anybody's own."""


class ControllerFence:
    """Implements `FenceMethod`. `tls`: by which CA a peer that speaks https is checked.

    `connect_timeout_s`: after this long without a connection the host counts as gone, which is unknown, too.
    """

    def __init__(
        self,
        name: str,
        timeout_s: float,
        auth: PeerAuth,
        tls: TlsFiles | None = None,
        attempts: int = 1,
        connect_timeout_s: float | None = None,
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self.traits = Traits(attempts=attempts, askable=True)
        self._auth = auth
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s

    async def fence(self, strike: Strike) -> Result:
        """Demand, and wait for the answer until `timeout_s` seconds have passed."""
        demand = Demand(strike.service, strike.target.node, strike.epoch, strike.by)
        answer = await self._ask(demand, strike.target.address)
        return Result(Verdict.UNKNOWN, answer) if isinstance(answer, str) else _judged(demand, answer)

    async def probe(self, strike: Strike) -> Proof:
        """Demand for epoch 0, which every controller refuses: a signed refusal proves address, secret and identity."""
        demand = Demand(strike.service, strike.target.node, REFUSED_EPOCH, strike.by)
        answer = await self._ask(demand, strike.target.address)
        if isinstance(answer, str):
            return Proof(Verdict.UNKNOWN, answer)
        if (answer.service, answer.node) != (demand.service, demand.target):
            return Proof(Verdict.NOT_DONE, f"{strike.target.address} is {answer.service}/{answer.node.name}")
        return Proof(Verdict.DONE, "its controller answers, signed")

    async def restore(self, strike: Strike) -> Result:
        """Nothing was taken."""
        return Result(Verdict.DONE)

    def plan(self, strike: Strike) -> list[Line]:
        scheme = "https" if self._tls else "http"
        return [Line("demands a demote at", f"{scheme}://{strike.target.address or '(no address is known)'}{PATH}")]

    async def _ask(self, demand: Demand, address: str) -> PeerAnswer | str:
        """The signed answer, or why there is none."""
        if not address:
            return f"no address of {demand.target.name}'s controller is known"
        body, nonce = self._auth.sign_demand(demand)
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await self._post(address, body)
            return self._auth.verify_answer(answer.body, nonce)
        except TimeoutError:
            return f"{address} did not answer in {self.timeout_s:g} s"
        except HttpError as error:
            return str(error)
        except TlsFilesError as error:
            return f"api.tls: {error}"
        except PeerAuthError as error:
            return f"{address} answered (status {answer.status}), but {error}"

    async def _post(self, address: str, body: bytes) -> HttpAnswer:
        try:
            if self._tls is None:
                return await self._post_in_the_clear(address, body)
            return await self._post_by_tls(self._tls, address, body)
        except ValueError:
            raise HttpError(f"{address!r} is no address") from None

    async def _post_by_tls(self, files: TlsFiles, address: str, body: bytes) -> HttpAnswer:
        context = await asyncio.to_thread(client_context, files)  # of the CA as it is now
        url = f"https://{address}{PATH}"
        try:
            return await self._request(url, body, context)
        except NoTlsError as no_tls:
            try:
                return await self._post_in_the_clear(address, body)
            except HttpError as error:
                raise HttpError(f"{no_tls}; in the clear: {error}") from None

    async def _post_in_the_clear(self, address: str, body: bytes) -> HttpAnswer:
        try:
            return await self._request(f"http://{address}{PATH}", body)
        except BrokenOffError as error:
            if self._tls is not None:
                raise
            raise HttpError(f"{error}; if it speaks https, this node needs api.tls, too") from None

    async def _request(self, url: str, body: bytes, tls: ssl.SSLContext | None = None) -> HttpAnswer:
        within = self._connect_timeout_s
        return await request("POST", url, body=body, tls=tls, body_limit=LARGEST_BODY, connect_timeout_s=within)


def _judged(demand: Demand, answer: PeerAnswer) -> Result:
    """A signed answer: `done` only from whom it was demanded of, for what was demanded."""
    same = (answer.service, answer.node, answer.epoch) == (demand.service, demand.target, demand.epoch)
    if answer.verdict is Verdict.DONE and not same:
        who = f"{answer.service}/{answer.node.name} (machine {answer.node.machine_id}, epoch {answer.epoch})"
        return Result(Verdict.UNKNOWN, f"done, but by another than was asked: {who}")
    return Result(answer.verdict, f"its controller answered {answer.verdict}: {answer.detail}".removesuffix(": "))
