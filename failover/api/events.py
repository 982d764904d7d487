"""/v1/events: server-sent events, one for each change of the snapshot, and a word when there is none.

A stream ends when the client goes or the server stops; there are at most MOST_STREAMS at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response, StreamingResponse

from failover.api import views
from failover.api.front import Front, stale
from failover.api.problems import ProblemError
from failover.ports.controller import Snapshot

MOST_STREAMS = 16
QUIET_S = 5.0  # a client that hears nothing for longer than this may believe the connection dead


def install(app: FastAPI, front: Front) -> None:
    """Add the stream to `app`."""
    router = APIRouter(prefix="/v1", tags=["reading"])

    @router.get(
        "/events",
        response_class=StreamingResponse,
        description="Server-sent events: `status` (as /v1/status) at each change, `stale` when the controller "
        "has stopped looking.",
    )
    async def events() -> Response:
        if front.streams >= MOST_STREAMS:
            detail = f"{MOST_STREAMS} streams are open already"
            raise ProblemError(503, "too-many-streams", detail, "poll /v1/status instead")
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(front), 200, headers, "text/event-stream")

    app.include_router(router)


async def _stream(front: Front) -> AsyncIterator[str]:
    """One client's events. The iterator of changes is awaited in a task: a time-out must not break it."""
    front.streams += 1
    changes = front.controller.changes()
    closing = asyncio.ensure_future(front.closing.wait())
    coming = asyncio.create_task(_next(changes))
    try:
        while not front.closing.is_set():
            await asyncio.wait({coming, closing}, timeout=QUIET_S, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                if coming.result() is None:
                    return
                coming = asyncio.create_task(_next(changes))
            yield _event(front)
    finally:
        front.streams -= 1
        coming.cancel()
        closing.cancel()
        await asyncio.gather(coming, closing, return_exceptions=True)


async def _next(changes: AsyncIterator[Snapshot]) -> Snapshot | None:
    return await anext(changes, None)


def _event(front: Front) -> str:
    """The newest snapshot, not the one that was waited for: several changes may have come meanwhile."""
    snapshot, now_s = front.newest()
    if front.is_stale(snapshot, now_s):
        return _frame("stale", stale(snapshot, now_s).more)
    return _frame("status", views.status(snapshot, now_s))


def _frame(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
