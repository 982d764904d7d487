"""Hears one controller for as long as it is wanted: its stream of events, again after each break.

Where a controller has no stream left to give, its status is polled. Knows HTTP and server-sent events; decides nothing.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from failover.cli.watching.sight import QUIET_FOR_S, View

CONNECT_S = 3.0
SILENT_S = 2 * QUIET_FOR_S  # then the connection is given up for dead
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0
POLL_S = 1.0

Tell = Callable[[str, View], None]
NOT_OURS = "what answers there is no controller"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a controller is: its Unix socket, or its URL. The token goes to nobody but who it was given for.

    `trust`: whom to believe over https; None: the service's controllers do not speak it.
    """

    url: str
    socket_path: Path | None = None
    token: str = ""
    trust: ssl.SSLContext | None = None

    def peer(self, address: str) -> Place:
        """Another controller of the same service."""
        return Place(f"{'http' if self.trust is None else 'https'}://{address}", trust=self.trust)


class _NotHeard(Exception):
    """It does not answer as it should; the text says how."""


def client_of(place: Place) -> httpx.AsyncClient:
    """Raises httpx.InvalidURL for an address that is none."""
    return httpx.AsyncClient(
        base_url=place.url,
        transport=httpx.AsyncHTTPTransport(
            verify=place.trust or False, uds=str(place.socket_path) if place.socket_path else None, trust_env=False
        ),
        timeout=httpx.Timeout(SILENT_S, connect=CONNECT_S),
        headers={"Authorization": f"Bearer {place.token}"} if place.token else {},
        trust_env=False,
    )


async def follow(place: Place, tell: Tell) -> None:
    """For ever. `tell(event, data)`: `status`, `stale`, or `gone` with `why`."""
    pause_s = FIRST_PAUSE_S
    while True:
        began_s = asyncio.get_running_loop().time()
        tell("gone", {"why": await _follow_once(place, tell)})
        if asyncio.get_running_loop().time() - began_s > LONGEST_PAUSE_S:
            pause_s = FIRST_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _follow_once(place: Place, tell: Tell) -> str:
    """Until it breaks; gives why."""
    try:
        async with client_of(place) as client:
            while await _stream(client, tell):
                await _poll(client, tell)
                await asyncio.sleep(POLL_S)
    except _NotHeard as error:
        return str(error)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return words_of(error)
    return "its controller has ended"


async def _stream(client: httpx.AsyncClient, tell: Tell) -> bool:
    """Its events to the end; True: it has no stream to give now. Raises _NotHeard and httpx's errors."""
    async with client.stream("GET", "/v1/events") as answer:
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return True
        if answer.status_code != httpx.codes.OK:
            raise _NotHeard(f"{NOT_OURS} ({answer.status_code})")
        async for event, data in events_of(answer.aiter_lines()):
            tell(event, data)
    return False


async def _poll(client: httpx.AsyncClient, tell: Tell) -> None:
    answer = await client.get("/v1/status")
    told = _object(answer.text)
    if answer.status_code == httpx.codes.OK:
        tell("status", told)
    elif told.get("stale"):
        tell("stale", told)
    else:
        raise _NotHeard(str(told.get("detail") or answer.status_code))


async def events_of(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, View]]:
    """Server-sent events, as the controllers write them: one line `event:`, one `data:`. Raises _NotHeard."""
    event = ""
    async for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data" and event in ("status", "stale"):
            yield event, _object(value)


async def cluster_of(place: Place) -> View | None:
    """The whole service as this controller sees it; None: it does not say."""
    try:
        async with client_of(place) as client:
            answer = await client.get("/v1/cluster", timeout=CONNECT_S)
            return _object(answer.text) if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, _NotHeard):
        return None


def _object(text: str) -> View:
    try:
        told: Any = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise _NotHeard(NOT_OURS)
    return told


def words_of(error: Exception) -> str:
    """Why it is not heard."""
    if isinstance(error, httpx.ConnectError) and "SSL" in str(error):
        return f"does not answer: {str(error)[:160]}"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "does not answer: no connection"
    if isinstance(error, httpx.TimeoutException):
        return f"does not answer: no word for {SILENT_S:.0f} s"
    return "does not answer: the connection broke"
