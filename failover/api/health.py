"""The health checks for load balancers: GET, HEAD and OPTIONS, 200 or 503 (S11).

What is answered is decided in `judgement`; a stale snapshot is 503 for every check. While a restarted controller takes
over the session of the one before, the answer waits for that, for a moment.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from failover.api.front import Front, stale
from failover.api.judgement import CHECKS, Judgement, age_s, may_start, proven_active

_TOLD = {
    "live": "The controller runs and looks.",
    "ready": "The controller takes part in the election.",
    "active": "This node is active. `?proven` also wants a renewal of the lock younger than its lease. "
    "Header `X-Lock`: proven or unproven.",
    "standby": "This node's service is a standby.",
    "healthy": "The probes say that this node's service is well.",
}
_ASKED = {"", "1", "true", "yes"}


def install(app: FastAPI, front: Front) -> None:
    """Add the checks to `app`."""
    router = APIRouter(tags=["health"])
    for name in CHECKS:
        _add(router, front, name)
    _add_may_start(router, front)
    app.include_router(router)


def _add(router: APIRouter, front: Front, name: str) -> None:
    async def check(request: Request) -> Response:
        if name != "live":  # a "no" in the middle of an adoption would be hasty
            await front.adopted()
        return _answer(front, name, request)

    answers: dict[int | str, dict[str, Any]] = {200: {"description": "yes"}, 503: {"description": "no"}}
    router.add_api_route(f"/{name}", check, methods=["GET"], name=name, description=_TOLD[name], responses=answers)
    router.add_api_route(f"/{name}", check, methods=["HEAD", "OPTIONS"], include_in_schema=False)


def _answer(front: Front, name: str, request: Request) -> Response:
    snapshot, now_s = front.newest()
    if front.is_stale(snapshot, now_s):
        return _response(name, Judgement(False, stale(snapshot, now_s).detail), age_s(snapshot, now_s))
    check = CHECKS[name]
    if name == "active" and request.query_params.get("proven", "no").lower() in _ASKED:
        check = proven_active
    body = {"role": str(snapshot.role), "epoch": snapshot.epoch}
    return _response(name, check(snapshot, now_s), age_s(snapshot, now_s), body)


def _response(name: str, judged: Judgement, age: float, more: dict[str, Any] | None = None) -> Response:
    body = {"check": name, "ok": judged.ok, "why": judged.why, "age_s": round(age, 3), **(more or {})}
    headers = {"X-Lock": judged.lock} if judged.lock else {}
    return JSONResponse(body, 200 if judged.ok else 503, headers)


def _add_may_start(router: APIRouter, front: Front) -> None:
    async def answer() -> Response:
        snapshot, now_s = front.fresh()
        return _response("may-start", may_start(snapshot, now_s), age_s(snapshot, now_s))

    router.add_api_route(
        "/v1/may-start",
        answer,
        methods=["GET"],
        description="May the service's own unit be started now (`ExecCondition=`)? 200: yes; 503: no.",
    )
