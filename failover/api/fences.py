"""Fencing: what is known, plans, probes, live tests and confirmations. Nothing of it is open to everybody.

Checks form and rights; whether an order can be carried out is the controller's to say (OrderRefused).
"""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from failover.api import fence_views, views
from failover.api.access import Access, Caller, require
from failover.api.forms import LONGEST_NAME, NODE, Order, let_in, node_of, parameter, read, read_if_any, takes
from failover.api.front import Front, in_time
from failover.api.orders import REASON, SWITCH, NodeName, Reason
from failover.api.problems import ProblemError
from failover.ports.controller import OrderRefused

PROBE_LIMIT_S = 120.0
METHOD = "the name of a fence method (text, at most 64 characters)"

_log = logging.getLogger("failover.api")
_REFUSED: dict[int | str, dict[str, Any]] = {409: {"description": "Refused; `check` names the check that failed"}}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "Nothing is known of that node"}}
_TAKEN: dict[int | str, dict[str, Any]] = {202: {"description": "A record to poll at `Location`"}, **_REFUSED}

_TARGET = parameter("node", "path", NODE, minLength=1, maxLength=LONGEST_NAME)


class ProbeOrder(Order):
    """Probe methods towards a peer."""

    method: NodeName | None = Field(None, description=f"{METHOD}; default: every one that can be probed")


class TrialOrder(Order):
    """Strike a living standby for a trial."""

    live: bool = Field(description=f"{SWITCH}; a test is live or not at all: true")
    method: NodeName | None = Field(None, description=f"{METHOD}; default: the first that gives back what it takes")
    reason: Reason = Field(description=REASON)
    force: bool = Field(False, description=f"{SWITCH}; true: even the only standby, or with nobody active")


class ConfirmOrder(Order):
    """The breadcrumb's node is off: an operator's word."""

    reason: Reason = Field(description=REASON)
    override: bool = Field(False, description=f"{SWITCH}; true: although something of it still seems to be alive")


FORMS = (ProbeOrder, TrialOrder, ConfirmOrder)


def install(app: FastAPI, front: Front) -> None:
    """Add fencing to `app`."""
    router = APIRouter(prefix="/v1/fence", tags=["fencing"])
    _add_readings(router, front)
    _add_probe(router, front)
    _add_strikes(router, front)
    app.include_router(router)


def _add_readings(router: APIRouter, front: Front) -> None:
    @router.get("")
    async def overview(caller: Annotated[Caller, let_in(front, Access.READ)]) -> Response:  # noqa: ARG001
        """Levels, methods, proofs towards each peer, quarantines, last strikes, what is given back. Role: read."""
        snapshot, now_s = front.fresh()
        fences = front.controller.fences
        return JSONResponse(fence_views.overview(snapshot, fences.sight(), fences.strikes(), now_s))

    @router.get("/history")
    async def history(caller: Annotated[Caller, let_in(front, Access.READ)]) -> Response:  # noqa: ARG001
        """Fences, tests, confirmations of the whole service, and this node's newest strikes. Role: read."""
        try:
            lines, told = await front.history(), ""
        except (ProblemError, OrderRefused) as away:
            lines, told = [], str(away)
        found = [line for line in lines if "fence" in line]
        strikes = [fence_views.struck(one) for one in front.controller.fences.strikes()]
        return JSONResponse({"history": found, "strikes": strikes, "history_error": told})

    @router.get("/{node}/plan", responses=_UNKNOWN, openapi_extra=_TARGET)
    async def plan(request: Request, caller: Annotated[Caller, let_in(front, Access.READ)]) -> Response:  # noqa: ARG001
        """The exact order, resolved parameters, deadlines and worst case, without touching anything. Role: read."""
        made = await in_time(front.controller.fences.plan(node_of(request)))
        return JSONResponse(fence_views.plan(made, front.controller.now_s()))


def _add_probe(router: APIRouter, front: Front) -> None:
    @router.post("/{node}/probe", responses=_REFUSED, openapi_extra=_TARGET | takes(ProbeOrder, required=False))
    async def probe(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """Ask the devices now whether a living peer could be fenced. Changes nothing. Role: operate."""
        node, order = node_of(request), await read_if_any(request, ProbeOrder)
        method = order.method if order is not None else None
        _log.info("order by %s: probe %s %s", caller.name, node, method or "")
        found = await in_time(front.controller.fences.probe(node, method, caller.name), PROBE_LIMIT_S)
        now_s = front.controller.now_s()
        return JSONResponse({"node": node, "proofs": [fence_views.known(one, now_s) for one in found]})


def _add_strikes(router: APIRouter, front: Front) -> None:
    @router.post("/{node}/test", status_code=202, responses=_TAKEN, openapi_extra=_TARGET | takes(TrialOrder))
    async def test(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """Really strike a living standby, and give back what was taken. Role: operate; with `force`: admin."""
        node, order = node_of(request), await read(request, TrialOrder)
        if order.force:
            require(caller, Access.ADMIN)
        if not order.live:
            raise ProblemError(
                422,
                "not-acceptable",
                "live: a test is live or not at all; expected true",
                "to touch nothing: GET /v1/fence/NODE/plan, or POST …/probe",
                more={"fields": [{"field": "live", "problem": "is false", "expected": "true"}]},
            )
        _log.info("order by %s: live test of %s: %s", caller.name, node, order.reason)
        from failover.ports.fence_plans import TrialAsked

        asked = TrialAsked(node, order.method, order.reason, caller.name, order.force)
        operation = await in_time(front.controller.fences.test(asked))
        location = f"/v1/operations/{operation.id}"
        return JSONResponse({**views.operation(operation), "location": location}, 202, {"Location": location})

    @router.post("/{node}/confirm", responses=_REFUSED, openapi_extra=_TARGET | takes(ConfirmOrder))
    async def confirm(request: Request, caller: Annotated[Caller, let_in(front, Access.ADMIN)]) -> Response:
        """An operator's word that the last active is off, for exactly this breadcrumb. Role: admin."""
        node, order = node_of(request), await read(request, ConfirmOrder)
        _log.info("order by %s: confirm that %s is off: %s", caller.name, node, order.reason)
        asked = front.controller.fences.confirm(node, order.reason, order.override, caller.name)
        return JSONResponse(fence_views.confirmed(await in_time(asked)))
