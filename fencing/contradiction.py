"""The contradiction veto (S7): after a host's power is said to be off, nothing on it may still answer.

A refusal is an answer too: only a living kernel sends one. Knows nothing of methods, levels or verdicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from failover.core.values import Breadcrumb
from failover.support.knocking import Answer, knock
from fencing.target import split_address


@dataclass(frozen=True, slots=True)
class Verify:
    """How a strike that takes a host's power is checked. `settle_s`: how long a port may take to answer.

    `refusal_counts` False: a refusal is only told (a firewall may answer for dead hosts). What accepts always counts.
    """

    ports: tuple[int, ...] = ()
    settle_s: float = 1.0
    refusal_counts: bool = True

    def contradicts(self, answer: Answer) -> bool:
        """Whether this answer says that the host is not off."""
        return answer is Answer.ACCEPTED or (answer is Answer.REFUSED and self.refusal_counts)


async def look(target: Breadcrumb, verify: Verify) -> dict[str, Answer]:
    """What each port answers, by `host:port`: the configured ones, and the controller's own. Ends in `settle_s`."""
    doors = _doors(target, verify.ports)
    answers = await asyncio.gather(*(knock(host, port, verify.settle_s) for host, port in doors))
    return {f"{host}:{port}": answer for (host, port), answer in zip(doors, answers, strict=True)}


def _doors(target: Breadcrumb, ports: Sequence[int]) -> list[tuple[str, int]]:
    api_host, api_port = split_address(target.address)
    host = target.facts.get("address") or api_host
    doors = [(host, port) for port in ports if host]
    if api_host and api_port.isdecimal():
        doors.append((api_host, int(api_port)))
    return list(dict.fromkeys(doors))
