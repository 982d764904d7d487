"""Asking every probe once, apart from the monitor: is anything of the service up?

Used after a demote, where the monitor's word may be from before. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from failover.core.values import Health
from failover.ports.service import Finding, Probe, Sight


async def look(probes: Sequence[Probe]) -> Sight:
    """What they find now. A service is up even where it is ill."""
    findings = await asyncio.gather(*(_ask(probe) for probe in probes))
    up = next((probe.name for probe, said in zip(probes, findings, strict=True) if _is_up(said)), "")
    return Sight(up, absent=not up and any(said.absent for said in findings))


def _is_up(said: Finding) -> bool:
    return said.there or (said.health in (Health.HEALTHY, Health.UNHEALTHY) and not said.of_host)


async def _ask(probe: Probe) -> Finding:
    try:
        async with asyncio.timeout(probe.timeout_s):
            return await probe.check()
    except TimeoutError:
        return Finding(Health.NOT_RESPONDING, "no answer")
    finally:
        probe.close()
