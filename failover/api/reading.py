"""What may be read: status, cluster, history, one operation. Open to everybody; changes nothing."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from failover.api import views
from failover.api.advice import after_resume
from failover.api.forms import parameter
from failover.api.front import Front, in_time
from failover.api.problems import ProblemError

MOST_LINES = 1000
USUAL_LINES = 100
_LIMIT = parameter("limit", "query", f"A number from 1 to {MOST_LINES}", default=str(USUAL_LINES))


def install(app: FastAPI, front: Front) -> None:
    """Add the readings to `app`."""
    router = APIRouter(prefix="/v1", tags=["reading"])
    _add_states(router, front)
    _add_records(router, front)
    app.include_router(router)


def _add_states(router: APIRouter, front: Front) -> None:
    @router.get("/status", description="What this node's controller knows about itself.")
    async def status() -> Response:
        return JSONResponse(views.status(*front.fresh()))

    @router.get("/cluster", description="The whole service, as this node sees it.")
    async def cluster() -> Response:
        history = await front.known_history()
        snapshot, now_s = front.fresh()
        view = views.cluster(snapshot, now_s, history)
        view["after_resume"] = after_resume(snapshot) if snapshot.control.pause else []
        return JSONResponse(view)


def _add_records(router: APIRouter, front: Front) -> None:
    told = "The service's history, oldest first; `limit` lines of it."

    @router.get("/history", description=told, openapi_extra=_LIMIT)
    async def history(request: Request) -> Response:
        limit = request.query_params.get("limit", str(USUAL_LINES))
        number = int(limit) if limit.isascii() and limit.isdecimal() and len(limit) <= 4 else 0
        if not 1 <= number <= MOST_LINES:
            raise _not_a_limit()
        lines = await front.history()
        return JSONResponse({"history": lines[-number:], "known": len(lines)})

    told = "An order under way, or ended and still remembered."

    @router.get("/operations/{id}", description=told, openapi_extra=parameter("id", "path"))
    async def operation(request: Request) -> Response:
        name = str(request.path_params["id"])
        found = await in_time(front.controller.operation(name))
        if found is None:
            raise ProblemError(404, "", f"no operation {name[:80]!r} is remembered", "look at /v1/history")
        return JSONResponse(views.operation(found))


def _not_a_limit() -> ProblemError:
    expected = f"a number from 1 to {MOST_LINES}"
    fields = [{"field": "limit", "problem": "cannot be used", "expected": expected}]
    return ProblemError(422, "not-acceptable", f"limit: expected {expected}", more={"fields": fields})
