"""The timeline is put together from what controllers, hooks and client noted."""

from datetime import UTC, datetime
from typing import Any

from failover.demo.timeline import Noted, phases
from failover.demo.writer import lost

KILLED_AT = 1_700_000_000.0


def line(ms: float, node: str, event: str, before: str, after: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(KILLED_AT + ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"at": at, "node": node, "event": event, "from": before, "to": after}


LINES = (
    line(-900, "n1", "Promoted", "promoting", "active"),
    line(2, "n1", "HealthChanged", "active", "demoting"),
    line(9, "n1", "HandedOver", "demoting", "out"),
    line(10, "n2", "LockSeen", "standby", "campaigning"),
    line(10, "n3", "LockSeen", "standby", "standby"),
    line(12, "n2", "LockTaken", "campaigning", "claiming"),
    line(14, "n2", "Claimed", "claiming", "promoting"),
    line(20, "n2", "Promoted", "promoting", "active"),
)


def noted(lines: tuple[dict[str, Any], ...] = LINES, **changes: Any) -> Noted:
    known: dict[str, Any] = {
        "beginning": "service killed",
        "seen": "death seen",
        "began_at": KILLED_AT,
        "source": "n1",
        "target": "n2",
        "lines": lines,
        "demote_ended_at": KILLED_AT + 0.006,
        "promote_began_at": KILLED_AT + 0.015,
        "first_write_at": KILLED_AT + 0.019,
    }
    return Noted(**{**known, **changes})


def test_every_phase_of_a_failover_has_its_name_its_node_and_its_milliseconds() -> None:
    assert [(phase.key, phase.node, phase.ms) for phase in phases(noted())] == [
        ("service_killed", "n1", 0.0),
        ("death_seen", "n1", 2.0),
        ("demoted", "n1", 6.0),
        ("lock_released", "n1", 9.0),
        ("lock_seen_free", "n2", 10.0),
        ("lock_won", "n2", 12.0),
        ("breadcrumb_claimed", "n2", 14.0),
        ("promote_started", "n2", 15.0),
        ("first_write_accepted", "n2", 19.0),
        ("active", "n2", 20.0),
    ]


def test_a_file_time_that_is_a_tick_too_early_does_not_turn_the_order_around() -> None:
    found = {p.key: p.ms for p in phases(noted(demote_ended_at=KILLED_AT, promote_began_at=KILLED_AT + 0.011))}
    assert found["demoted"] == found["death_seen"]
    assert found["promote_started"] == found["breadcrumb_claimed"]


def test_what_a_killed_controller_could_not_note_is_left_out_and_the_fence_is_told() -> None:
    lines = (
        line(3, "n2", "LockSeen", "standby", "campaigning"),
        line(5, "n2", "LockTaken", "campaigning", "fencing"),
        line(30, "n2", "Fenced", "fencing", "claiming"),
        line(31, "n2", "Claimed", "claiming", "promoting"),
        line(40, "n2", "Promoted", "promoting", "active"),
    )
    told = noted(lines, demote_ended_at=None, promote_began_at=KILLED_AT + 0.033, first_write_at=KILLED_AT + 0.041)
    assert [phase.key for phase in phases(told)] == [
        "service_killed",
        "lock_seen_free",
        "lock_won",
        "fenced",
        "breadcrumb_claimed",
        "promote_started",
        "active",
        "first_write_accepted",
    ]


def test_a_write_is_lost_when_neither_it_nor_a_later_one_is_there() -> None:
    newest = {"w1": 1, "w2": 50_002, "w3": 3, "w4": 4}
    assert lost(newest, {"w1": 1, "w2": 2, "w3": 50_003}) == ["w2", "w4"]
