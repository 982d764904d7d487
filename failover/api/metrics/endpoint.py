"""The endpoint. Open, as the other reads; a stale snapshot tells only that it is stale, and how old it is (S11)."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from failover.api.front import Front
from failover.ports.controller import Snapshot

_TOLD = (
    "Everything that is counted and measured, for Prometheus: its text format, or OpenMetrics where `Accept` asks for "
    "it. A stale snapshot gives `failoverd_snapshot_stale 1` and nothing else of the node. "
    "All metrics are in docs/reference/metrics.md."
)


def install(app: FastAPI, front: Front) -> None:
    """Add the endpoint to `app`."""
    router = APIRouter(tags=["reading"])
    turn = asyncio.Lock()  # one at a time: whoever scrapes without end must not take all threads from a fence

    @router.get("/metrics", response_class=Response, description=_TOLD)
    async def metrics(request: Request) -> Response:
        async with turn:
            snapshot, now_s = front.newest()
            stale = front.is_stale(snapshot, now_s)
            # In a thread: the first scrape imports, and none may keep the loop from a failover.
            text, kind = await asyncio.to_thread(_written, snapshot, now_s, stale, request.headers.get("accept", ""))
        return Response(text, media_type=kind)

    app.include_router(router)


def _written(snapshot: Snapshot, now_s: float, stale: bool, accept: str) -> tuple[bytes, str]:
    from failover.api.metrics.exposition import written

    return written(snapshot, now_s, stale, accept)
