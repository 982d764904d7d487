"""What is known of each node that is watched, and when it was heard. Pure: the present time is an argument (seconds).

What was heard too long ago is not told any more (S11): a stopped controller must not be shown as active.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

View = dict[str, Any]

QUIET_FOR_S = 7.0
"""A controller says something every five seconds (`api.events.QUIET_S`); after this it is not believed any more."""
RECENT_LINES = 8
# What makes an event worth telling; all else changes with time alone.
_TOLD = (
    *("role", "why", "epoch", "attempt", "health", "health_detail", "impaired", "service_role", "candidate"),
    *("failures", "blocked", "pause", "drained", "version", "started_at"),
)
_TOLD_OF_LOCK = ("held", "proven", "holder")
_TOLD_OF_STORE = ("connected", "session", "session_timeout_s")


@dataclass
class Seen:
    """One node. `status`: what its controller said last; `why`: why nothing is known now, or ""."""

    name: str
    address: str = ""
    status: View | None = None
    heard_s: float | None = None
    why: str = "not heard yet"

    def quiet_for_s(self, now_s: float) -> float | None:
        """Since it was heard; None: never."""
        return None if self.heard_s is None else now_s - self.heard_s

    def known(self, now_s: float) -> View | None:
        """Its status, if it may still be believed."""
        quiet_s = self.quiet_for_s(now_s)
        return self.status if not self.why and quiet_s is not None and quiet_s <= QUIET_FOR_S else None

    def silence(self, now_s: float) -> str:
        """Why its status is not known, in words."""
        quiet_s = self.quiet_for_s(now_s)
        since = f", last heard {quiet_s:.0f} s ago" if quiet_s is not None and quiet_s >= 1 else ""
        return (self.why or "says nothing") + since


@dataclass
class Sight:
    """Everything that is watched. `cluster`: the whole service as one controller saw it last, at `cluster_s`."""

    cluster: View
    cluster_s: float
    nodes: dict[str, Seen] = field(default_factory=dict)

    def add(self, name: str, address: str) -> bool:
        """A node to watch; whether it is a new one, or has another address now."""
        known = self.nodes.get(name)
        if known is not None and known.address == address:
            return False
        self.nodes[name] = Seen(name, address)
        return True

    def heard(self, name: str, event: str, data: View, now_s: float) -> bool:
        """A controller has said something, or cannot be heard (`gone`). Whether that is news."""
        seen = self.nodes[name]
        if event == "status":
            news = seen.why != "" or _facts(seen.status) != _facts(data)
            seen.status, seen.why, seen.heard_s = data, "", now_s
            return news
        why = "its controller has stopped looking (stale)" if event == "stale" else str(data.get("why", ""))
        if event == "stale":
            seen.heard_s = now_s
        news, seen.why = seen.why != why, why
        return news

    def looked(self, cluster: View, now_s: float) -> None:
        """The whole service was asked for."""
        self.cluster, self.cluster_s = cluster, now_s

    def cluster_known(self, now_s: float) -> bool:
        """Whether what was said of the whole service may still be believed."""
        return now_s - self.cluster_s <= QUIET_FOR_S

    def recent(self, now_s: float) -> list[View]:
        """The newest lines of what happened on all nodes that are heard, the latest last."""
        told = [seen.known(now_s) for seen in self.nodes.values()]
        lines = [line for status in told if status is not None for line in status.get("recent", ())]
        return sorted(lines, key=lambda line: str(line.get("at", "")))[-RECENT_LINES:]


def _facts(status: View | None) -> tuple[object, ...] | None:
    if status is None:
        return None
    lock, store = status.get("lock") or {}, status.get("store") or {}
    return (
        *(status.get(key) for key in _TOLD),
        *(lock.get(key) for key in _TOLD_OF_LOCK),
        *(store.get(key) for key in _TOLD_OF_STORE),
    )
