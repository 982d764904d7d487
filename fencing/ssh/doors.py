"""Does any of those ports still take a connection, seen from here? Refused and silent are both as good as closed.

Knows nothing of what should be behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

LOOK_S = 0.5
"""How long a port may take to accept; later than that it counts as silent."""


async def still_open(host: str, ports: Sequence[int]) -> list[int]:
    """Those that accept within LOOK_S seconds; all are tried at once."""
    found = await asyncio.gather(*(_accepts(host, port) for port in ports))
    return [port for port, accepts in zip(ports, found, strict=True) if accepts]


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(LOOK_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await writer.wait_closed()
    return True
