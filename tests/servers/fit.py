"""Whether a node could take over, by what another one answers about it at `/v1/cluster`."""

from __future__ import annotations

from typing import Any


def is_fit(name: str, told: dict[str, Any]) -> bool:
    """A standby that the asked node knows as a candidate: it would not refuse a switchover to it.

    Health is in the role: where it counts, one that is ill is `out`.
    """
    return any(
        each["node"] == name and (each["role"], each["candidate"], each["drained"]) == ("standby", True, False)
        for each in told.get("members", ())
    )
