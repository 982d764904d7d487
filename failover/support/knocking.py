"""Knocking at a TCP port: does anything accept, refuse, or is it silent? Sends nothing.

Knows nothing of what should be behind it, nor of what an answer means.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum


class Answer(StrEnum):
    """What came of a connection. SILENT: nothing in time, or the network says that nobody is there."""

    ACCEPTED = "accepts connections"
    REFUSED = "refuses connections, so a kernel is alive there"
    SILENT = "is silent"


async def knock(host: str, port: int, within_s: float) -> Answer:
    """The answer, in `within_s` seconds at the most."""
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return Answer.REFUSED
    # TimeoutError is an OSError: nobody there, no way there, or no such name. The others: none that there could be.
    except (OSError, ValueError, OverflowError):
        return Answer.SILENT
    writer.transport.abort()
    return Answer.ACCEPTED
