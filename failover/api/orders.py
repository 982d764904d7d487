"""Orders: switchover, failover, pause, resume, drain, undrain. Every one needs a token or the local socket.

Checks form and rights; whether an order can be carried out is the controller's to say (OrderRefused).
"""

import logging
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StringConstraints

from config.durations import Duration, format_duration
from failover.api import views
from failover.api.access import Access, Caller, require
from failover.api.forms import LONGEST_NAME, NODE, Order, let_in, read, read_if_any, takes
from failover.api.front import Front, in_time
from failover.api.problems import ProblemError
from failover.core.values import Control
from failover.ports.controller import Operation, OrderRefused

_log = logging.getLogger("failover.api")
_ONE_LINE = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"  # no control characters: these words end up in logs
NodeName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=_ONE_LINE)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_ONE_LINE),
]
REASON = "a reason in one line (text, at most 500 characters)"
SWITCH = "true or false"


class SwitchoverOrder(Order):
    """Hand over from the active node to another."""

    source: NodeName | None = Field(None, alias="from", description=f"the active node: {NODE}")
    target: NodeName | None = Field(None, alias="to", description=f"{NODE}; default: the best candidate")
    reason: Reason = Field(description=REASON)


class FailoverOrder(Order):
    """With no active: make a node active, fencing whom it must."""

    target: NodeName = Field(alias="to", description=NODE)
    force: bool = Field(description="true: the last active may be fenced")
    reason: Reason = Field("forced failover", description=REASON)


class PauseOrder(Order):
    """Automatic moves off."""

    reason: Reason = Field(description=REASON)
    duration: Duration | None = Field(None, alias="for", description='a duration, "2h" say; default: until resumed')


class ResumeOrder(Order):
    """Automatic moves on again."""


class DrainOrder(Order):
    """A node hands over and stays out."""

    node: NodeName = Field(description=NODE)
    force: bool = Field(False, description=f"{SWITCH}; true: even with no other healthy candidate")


class UndrainOrder(Order):
    """A node may campaign again."""

    node: NodeName = Field(description=NODE)


FORMS = (SwitchoverOrder, FailoverOrder, PauseOrder, ResumeOrder, DrainOrder, UndrainOrder)
Given = TypeVar("Given")


def install(app: FastAPI, front: Front) -> None:
    """Add the orders to `app`."""
    router = APIRouter(prefix="/v1", tags=["orders"])
    _add_moves(router, front)
    _add_pauses(router, front)
    _add_drains(router, front)
    app.include_router(router)


async def _give(caller: Caller, words: str, answer: Awaitable[Given]) -> Given:
    _log.info("order by %s: %s", caller.name, words)
    try:
        return await in_time(answer)
    except OrderRefused as refusal:
        _log.info("order by %s refused: %s", caller.name, refusal)
        raise


def _accepted(operation: Operation) -> Response:
    location = f"/v1/operations/{operation.id}"
    return JSONResponse({**views.operation(operation), "location": location}, 202, {"Location": location})


def _standing(control: Control) -> Response:
    return JSONResponse(views.control(control))


_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "A record to poll at `Location`"},
    409: {"description": "Refused; `check` names the check that failed"},
}


def _add_moves(router: APIRouter, front: Front) -> None:
    @router.post("/switchover", status_code=202, responses=_ACCEPTED, openapi_extra=takes(SwitchoverOrder))
    async def switchover(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """A planned hand-over, after its pre-flight checks. Role: operate."""
        order = await read(request, SwitchoverOrder)
        words = (
            f"switchover from {order.source or 'the active'} to {order.target or 'the best candidate'}: {order.reason}"
        )
        asked = front.controller.switchover(order.source, order.target, order.reason, caller.name)
        return _accepted(await _give(caller, words, asked))

    @router.post("/failover", status_code=202, responses=_ACCEPTED, openapi_extra=takes(FailoverOrder))
    async def failover(request: Request, caller: Annotated[Caller, let_in(front, Access.ADMIN)]) -> Response:
        """With no active: make a node active, fencing whom it must. Role: admin."""
        order = await read(request, FailoverOrder)
        if not order.force:
            raise ProblemError(
                422,
                "not-acceptable",
                "force: a failover is forced or not at all; expected true",
                more={"fields": [{"field": "force", "problem": "is false", "expected": "true"}]},
            )
        words = f"forced failover to {order.target}: {order.reason}"
        asked = front.controller.force_failover(order.target, order.reason, caller.name)
        return _accepted(await _give(caller, words, asked))


def _add_pauses(router: APIRouter, front: Front) -> None:
    @router.post("/pause", openapi_extra=takes(PauseOrder))
    async def pause(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """Automatic moves off for the service. Role: operate."""
        order = await read(request, PauseOrder)
        asked = front.controller.pause(order.reason, caller.name, order.duration)
        limit = "" if order.duration is None else f" for {format_duration(order.duration)}"
        return _standing(await _give(caller, f"pause{limit}: {order.reason}", asked))

    @router.post("/resume", openapi_extra=takes(ResumeOrder, required=False))
    async def resume(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """Automatic moves on again. Role: operate. `after_resume` in /v1/cluster tells what would move."""
        await read_if_any(request, ResumeOrder)
        return _standing(await _give(caller, "resume", front.controller.resume(caller.name)))


def _add_drains(router: APIRouter, front: Front) -> None:
    @router.post("/drain", openapi_extra=takes(DrainOrder))
    async def drain(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """A node hands over and stays out. Role: operate; with `force`: admin."""
        order = await read(request, DrainOrder)
        if order.force:
            require(caller, Access.ADMIN)
        words = f"drain {order.node}{' by force' if order.force else ''}"
        asked = front.controller.drain(order.node, order.force, caller.name)
        return _standing(await _give(caller, words, asked))

    @router.post("/undrain", openapi_extra=takes(UndrainOrder))
    async def undrain(request: Request, caller: Annotated[Caller, let_in(front, Access.OPERATE)]) -> Response:
        """A node may campaign again. Role: operate."""
        order = await read(request, UndrainOrder)
        asked = front.controller.undrain(order.node, caller.name)
        return _standing(await _give(caller, f"undrain {order.node}", asked))
