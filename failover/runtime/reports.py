"""What the controller tells: the snapshot (S11), history lines, and the log lines of each step.

Reads state; changes nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from failover.core.events import Event
from failover.core.limits import braked
from failover.core.state import State, can_take_over, health_in_words, lag, obstacle
from failover.core.step import Step
from failover.core.values import Role
from failover.ports.controller import HistoryLine, Snapshot
from failover.ports.fences import FenceSight
from failover.ports.measures import Fitness, Measures

REMEMBERED = 200

log = logging.getLogger("failoverd")


def wall_time() -> str:
    """Now, in UTC, for people: never used to decide anything."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def line_of(at: str, before: State, event: Event, result: Step) -> HistoryLine:
    """A step as a line of history."""
    after = result.state
    return HistoryLine(
        at=at,
        node=after.identity.node.name,
        event=type(event).__name__,
        before=before.role,
        after=after.role,
        epoch=after.epoch,
        attempt=after.attempt,
        why=result.why,
    )


def record_of(line: HistoryLine) -> dict[str, Any]:
    """A line as a record for the store."""
    return {
        "at": line.at,
        "node": line.node,
        "event": line.event,
        "from": line.before.value,
        "to": line.after.value,
        "epoch": line.epoch,
        "attempt": line.attempt,
        "why": line.why,
    }


class Journal:
    """Remembers the last steps, logs them, and collects what belongs into the service's history."""

    def __init__(self) -> None:
        self.recent: deque[HistoryLine] = deque(maxlen=REMEMBERED)
        self.steps: deque[tuple[HistoryLine, Event]] = deque(maxlen=REMEMBERED)
        self.unwritten: list[dict[str, Any]] = []

    def note(self, at: str, before: State, event: Event, result: Step) -> bool:
        """Take a step that was made `at` that time; True if it belongs into the history."""
        line = line_of(at, before, event, result)
        self.steps.append((line, event))
        if result.stale:
            log.debug("stale: %s", result.why)
            return False
        told = before.role is not result.state.role or before.why != result.state.why
        if not told:
            log.debug("%s: %s", line.event, line.why)
            return False
        level = logging.WARNING if result.state.failures > before.failures else logging.INFO
        log.log(level, "%s -> %s epoch=%d: %s", line.before.value, line.after.value, line.epoch, line.why)
        self.recent.append(line)
        self.unwritten.append(record_of(line))
        del self.unwritten[:-REMEMBERED]
        return True

    def take(self) -> list[dict[str, Any]]:
        """What has not been written to the history yet; from now on it counts as written."""
        entries, self.unwritten = self.unwritten, []
        return entries

    def dump(self) -> None:
        """Write the last steps to the log: the controller is about to end itself (S10)."""
        for line, event in self.steps:
            text = f"{line.at} {line.before.value}>{line.after.value} {event} | {line.why}"
            log.error("before the end: %s", text)


def blocked(state: State) -> str:
    """What an operator must do when no attempt can succeed without one; "" if nothing."""
    cause, me = state.cause, state.identity.node.name
    if state.role is Role.ACTIVE:
        return _ill(state) if state.stays else ""
    if state.control.error:
        return (
            f"{state.control.error}. Orders that cannot be read are taken for a pause, so nobody is promoted: "
            "repair the control record by hand, or remove it and run: failoverctl format CONFIG"
        )
    if state.follow_failed and state.settings.candidate and state.holder_known and state.holder is None:
        return (
            f"the last follow on {me} failed, its data may be old, so it does not campaign by itself, and nobody holds "
            f"the lock. If {me} must take over all the same, run there: failoverctl failover --to {me} --force"
        )
    if not state.failures:
        return ""
    if fencing_blocked(state):
        record = state.crumb.record
        name = record.node.name if record else "the old active"
        return (
            f"{cause}. Nobody is promoted until {name} is fenced; it is tried again automatically. Make it reachable "
            f"for a fence method, or start its controller so that it demotes by itself. If you have made sure "
            f"yourself that {name} is off: failoverctl fence confirm {name}"
        )
    if "breadcrumb cannot be read" in cause:
        return f"{cause}. Repair or remove the record by hand, then run: failoverctl format CONFIG"
    if state.role is Role.OUT and cause.startswith("demote answered"):
        return f"{cause}. Stop the service on this node by hand; tried again automatically"
    return ""


def fencing_blocked(state: State) -> bool:
    """Whether the last attempt ended because the last active could not be fenced."""
    return state.role is not Role.ACTIVE and state.failures > 0 and state.cause.startswith("fencing ")


def fitness_of(state: State) -> Fitness:
    """How this node stands in the race."""
    settings, me = state.settings, state.identity.node
    others = (member for member in state.members if member.node != me)
    return Fitness(
        bar=obstacle(state),
        position=state.position,
        lag=lag(state),
        can_take_over=tuple(member.node.name for member in others if can_take_over(state, member)),
        moves=state.moves,
        moves_limit=settings.failovers,
        braked=braked(state),
        restarts=state.restarts,
        restarts_limit=settings.restarts,
    )


def _ill(state: State) -> str:
    me, said = state.identity.node.name, health_in_words(state)
    return (
        f"{me} stays active although {said}: {state.stays}. Mend the service, or make another node fit to take over; "
        "to move it all the same: failoverctl switchover"
    )


def snapshot_of(
    state: State,
    *,
    taken_s: float,
    service: str,
    proven_s: float | None,
    lease_s: float | None,
    store_kind: str,
    started_at: str,
    recent: tuple[HistoryLine, ...],
    retry_in_s: float | None = None,
    timing: Mapping[str, float | None] | None = None,
    fences: FenceSight | None = None,
    step_down_s: float | None = None,
    renew_every_s: float | None = None,
    watchdog_armed: bool | None = None,
    adoptions: int = 0,
    measures: Measures | None = None,
    adopting: bool = False,
    store_trouble: str = "",
) -> Snapshot:
    """Everything that is told, as of `taken_s`."""
    session = state.session
    return Snapshot(
        taken_s=taken_s,
        service=service,
        node=state.identity.node,
        role=state.role,
        why=state.why,
        epoch=state.epoch,
        attempt=state.attempt,
        health=state.health,
        health_detail=state.health_detail,
        impaired=state.impaired,
        service_role=state.service,
        connected=state.connected,
        session=session.id if session else None,
        session_timeout_s=session.timeout_s if session else None,
        lock_held=state.lock is not None,
        proven_s=proven_s,
        lease_s=lease_s,
        holder=state.holder,
        breadcrumb=state.crumb.record,
        control=state.control,
        members=state.members,
        candidate=state.settings.candidate,
        failures=state.failures,
        retry_in_s=retry_in_s,
        standby_stopped=state.settings.standby_stopped,
        blocked=blocked(state),
        on_store_loss="step_down" if state.settings.step_down else "hold",
        store_kind=store_kind,
        version=state.settings.version,
        started_at=started_at,
        recent=recent,
        timing=timing or {},
        fences=fences or FenceSight(),
        step_down_s=step_down_s,
        renew_every_s=renew_every_s,
        fencing_blocked=fencing_blocked(state),
        watchdog_armed=watchdog_armed,
        adoptions=adoptions,
        config_hash=state.settings.config_hash,
        fitness=fitness_of(state),
        measures=measures or Measures(),
        adopting=adopting,
        store_trouble="" if state.connected else store_trouble,
    )
