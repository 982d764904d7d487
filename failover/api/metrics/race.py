"""Metrics of moves: how often and how long, and what stands in the way of the next one."""

from __future__ import annotations

from failover.api.metrics.metric import (
    CASE,
    CAUSE,
    GROUND,
    MOVE,
    OUTCOME,
    Metric,
    Reading,
    counted,
    one,
    spread,
)
from failover.ports.controller import Snapshot
from failover.support.wall_time import at_s


def _pause_since(snapshot: Snapshot, _now_s: float) -> float | None:
    return at_s(snapshot.control.pause.since) if snapshot.control.pause is not None else None


def _moved_at(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    return [((kind,), at_s) for kind, at_s in snapshot.measures.moved_at_s.items()]


def _worst_cases(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    told = {case: snapshot.timing.get(f"worst_case_{case}_s") for case in CASE[1].values}
    return [((case,), value) for case, value in told.items() if value is not None]


def _lag(snapshot: Snapshot, _now_s: float) -> float | None:
    lag = snapshot.fitness.lag
    return None if lag is None else max(0, lag)  # its own position may not have been published yet


def _members(snapshot: Snapshot) -> float | None:
    return len(snapshot.members) if snapshot.connected else None


RACE = (
    counted(
        "moves_total",
        "How often the active has moved from one node to another, as seen from here.",
        MOVE,
        lambda now: now.measures.moves,
    ),
    Metric(
        "last_move_time_seconds",
        "gauge",
        "When the active has moved last, since 1970; absent until this controller has seen it.",
        _moved_at,
        dict([MOVE]),
    ),
    counted(
        "promotions_total",
        "How often this node has become active, by why it was allowed.",
        GROUND,
        lambda now: now.measures.promotions,
    ),
    counted("demotions_total", "How often this node was demoted.", CAUSE, lambda now: now.measures.demotions),
    counted("switchovers_total", "Ordered switchovers that have ended.", OUTCOME, lambda now: now.measures.switchovers),
    one(
        "switchover_pending",
        "1: a switchover is ordered and has not ended.",
        lambda now, _: now.control.switchover is not None,
    ),
    spread(
        "takeover_duration_seconds",
        "From asking for the lock to being active, fence and promote included, on this node.",
        lambda now: now.measures.takeover,
    ),
    Metric(
        "worst_case_seconds",
        "gauge",
        "The longest that a failover may take, as reckoned from the configuration and the granted session.",
        _worst_cases,
        dict([CASE]),
    ),
    # What stands in the way.
    one(
        "blocked",
        "1: nothing goes on without an operator; /v1/status says what to do.",
        lambda now, _: now.blocked != "",
    ),
    one(
        "fencing_blocked",
        "1: nobody is promoted because the last active could not be fenced.",
        lambda now, _: now.fencing_blocked,
    ),
    one("failed_attempts", "Attempts that have failed in a row.", lambda now, _: now.failures),
    one("retry_in_seconds", "Until the next try; absent without a pause.", lambda now, _: now.retry_in_s),
    one("paused", "1: automatic moves are off for the service.", lambda now, _: now.control.pause is not None),
    one("pause_start_time_seconds", "Since when they are off, since 1970; absent without a pause.", _pause_since),
    one("control_unreadable", "1: the orders in the store cannot be read.", lambda now, _: now.control.error != ""),
    one("drained", "1: this node is drained.", lambda now, _: now.node.name in now.control.drained),
    one("may_campaign", "1: nothing bars this node from the race.", lambda now, _: now.fitness.bar == ""),
    one(
        "ready_standbys",
        "How many other nodes could take over now; absent with the store away.",
        lambda now, _: len(now.fitness.can_take_over) if now.connected else None,
    ),
    one("members", "Nodes whose controllers are there; absent with the store away.", lambda now, _: _members(now)),
    one("flap_brake", "1: no failover moves away from a live active any more.", lambda now, _: now.fitness.braked),
    one("recent_failovers", "Failovers within limits.within, as seen from here.", lambda now, _: now.fitness.moves),
    one("recent_failovers_limit", "How many there may be: limits.failovers.", lambda now, _: now.fitness.moves_limit),
    one("recent_restarts", "Restarts in place within limits.within.", lambda now, _: now.fitness.restarts),
    one("recent_restarts_limit", "How many there may be: limits.restarts.", lambda now, _: now.fitness.restarts_limit),
    one("position", "What the hook `position` said last; absent without one.", lambda now, _: now.fitness.position),
    one("position_lag", "How far that is behind the freshest that is known.", _lag),
)
