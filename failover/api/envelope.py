"""Around every request: a bounded body, an answer to every fault, the headers of every answer. Plain ASGI.

Does not look into bodies and knows no endpoint.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from failover.api.problems import ProblemError, answer, fault

LARGEST_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0
_log = logging.getLogger("failover.api")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class Envelope:
    """Reads a body whole, up to a limit of size and time, before the application sees the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            await self._app(scope, await _bounded(scope, receive), send_with_headers)
        except ProblemError as problem:
            await answer(problem, scope["path"])(scope, receive, send_with_headers)
        except Exception:  # the outermost frame of a request; whoever mends the program needs the traceback
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise  # the server then ends the connection: half an answer must not look whole
            await answer(fault(), scope["path"])(scope, receive, send_with_headers)


async def _bounded(scope: Scope, receive: Receive) -> Receive:
    """As `receive`, with the body read beforehand. Raises ProblemError."""
    if scope["method"] in _WITHOUT_BODY:
        return receive
    return _replay(await _read(receive), receive)


async def _read(receive: Receive) -> bytes:
    """The whole body. Raises ProblemError 413 when it is too large, 408 when it does not come."""
    body = bytearray()
    close = {"Connection": "close"}
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY_BYTES:
                    detail = f"the body is larger than {LARGEST_BODY_BYTES} bytes"
                    raise ProblemError(413, "too-large", detail, headers=close)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        detail = f"the body did not come within {BODY_TIMEOUT_S:.0f} s"
        raise ProblemError(408, "too-slow", detail, headers=close) from None


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
