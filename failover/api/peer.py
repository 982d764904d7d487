"""POST /v1/peer/demote: a peer that would become active demands that this node demote (`kind: controller`).

Tokens have no say here: demand and answer are signed with the peers' shared secret, by `fencing.peer`. Whether the
demand is obeyed is the controller's to decide.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import Response

from failover.api.front import Front, in_time
from failover.api.problems import ProblemError
from failover.core.values import Verdict
from fencing.peer import PATH, Demand, PeerAnswer, PeerAuth, PeerAuthError

LONGEST_DEMOTE_S = 120.0  # whoever asks gives up long before, and counts that as unknown
_log = logging.getLogger("failover.api")
_HOW_TO_CONFIGURE = "write `api: {peer_secret: {file: /etc/failoverd/peer.secret}}`, the same on every node"


def install(app: FastAPI, front: Front, peer_auth: PeerAuth | None) -> None:
    """Add the demand to `app`; without `peer_auth` every demand is refused."""

    async def demote(request: Request) -> Response:
        if peer_auth is None:
            raise ProblemError(403, "no-peer-secret", "no peer secret is configured here", _HOW_TO_CONFIGURE)
        try:
            demand = peer_auth.verify_demand(await request.body())
        except PeerAuthError as error:
            raise ProblemError(403, "not-believed", f"the demand is not believed: {error}") from None
        level = logging.WARNING if demand.epoch else logging.DEBUG  # epoch 0 is a probe, asked again and again
        _log.log(level, "%s demands that this node demote, for epoch %d", demand.by, demand.epoch)
        answer = await _answer(front, demand)
        _log.log(level, "answer to %s: %s, %s", demand.by, answer.verdict, answer.detail)
        return Response(peer_auth.sign_answer(demand, answer), media_type="application/json")

    app.add_api_route(
        PATH,
        demote,
        methods=["POST"],
        tags=["peers"],
        description="A peer's demand that this node demote. Signed with the peers' secret; tokens have no say.",
    )


async def _answer(front: Front, demand: Demand) -> PeerAnswer:
    snapshot, _ = front.newest()
    if demand.service != snapshot.service:
        detail = f"this controller is of the service {snapshot.service}"
        return PeerAnswer(snapshot.service, snapshot.node, demand.epoch, Verdict.NOT_DONE, detail)
    asked = front.controller.demand_demote(demand.target, demand.epoch, demand.by)
    try:
        told = await in_time(asked, LONGEST_DEMOTE_S)
    except ProblemError as late:
        return PeerAnswer(snapshot.service, snapshot.node, demand.epoch, Verdict.UNKNOWN, late.detail)
    return PeerAnswer(snapshot.service, told.node, told.epoch, told.verdict, told.detail)
