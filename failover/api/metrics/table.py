"""All metrics, in the order in which they are shown. Pure."""

from __future__ import annotations

from failover.api.metrics.fencing import FENCING
from failover.api.metrics.metric import Metric, one
from failover.api.metrics.node import ALWAYS, NODE
from failover.api.metrics.race import RACE
from failover.api.metrics.service import SERVICE, STORE

STALE = one("snapshot_stale", "1: the controller has stopped looking; nothing else of the node is told.", lambda *_: 1)
FRESH = one(STALE.name, STALE.help, lambda *_: 0)
SECTIONS: dict[str, tuple[Metric, ...]] = {
    "What is always told": (*ALWAYS, FRESH),
    "The node": NODE,
    "Moves, and what stands in their way": RACE,
    "The store": STORE,
    "The service": SERVICE,
    "Fencing": FENCING,
}


def metrics(stale: bool) -> list[Metric]:
    """What is told of a snapshot."""
    if stale:
        return [*ALWAYS, STALE]
    return [metric for section in SECTIONS.values() for metric in section]
