"""Timings that could not work: a step-down outside the lease, a session that servers refuse.

Knows the arithmetic from `config.timing`; no clock.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.durations import format_duration
from config.models import ZooKeeperSettings
from config.problems import Finding
from config.timing import longest_demote_s, longest_tick_s, reckon, shortest_session_s

DEMOTE = ("control", "demote", "timeout")


def lease_findings(draft: Draft) -> Iterator[Finding]:
    """Find timings against S6. What the servers really grant is checked again at run time."""
    if not isinstance(draft.store, ZooKeeperSettings):
        return
    yield from _session(draft.store)
    if draft.on_store_loss == "step_down" and draft.control is not None:
        yield from _step_down(draft.store, draft.control.demote.timeout)
    else:
        yield from _lease(draft.store)


def _session(store: ZooKeeperSettings) -> Iterator[Finding]:
    least_s, most_s = 2 * store.tick_time, 20 * store.tick_time
    if not least_s <= store.session_timeout <= most_s:
        tick, asked = format_duration(store.tick_time), format_duration(store.session_timeout)
        granted = f"{format_duration(least_s)} to {format_duration(most_s)}"
        message = f"servers with tick_time {tick} grant {granted} unless told otherwise, not {asked}"
        hint = "the lease follows what they grant"
        yield Finding(("store", "session_timeout"), message, hint, severity="warning")


def _lease(store: ZooKeeperSettings) -> Iterator[Finding]:
    """Without a lease no renewal ever proves the lock, and nobody is promoted, under `hold` too."""
    session_s, tick_s = store.session_timeout, store.tick_time
    if reckon(session_s, tick_s, 0.0).lease_s > 0:
        return
    session, tick = format_duration(session_s), format_duration(tick_s)
    message = f"with tick_time {tick} a session of {session} leaves no lease: the lock could never be proven"
    longer = format_duration(shortest_session_s(tick_s, 0.0))
    yield Finding(("store", "session_timeout"), message, f"safe would be: {longer} or more")


def _step_down(store: ZooKeeperSettings, demote_s: float) -> Iterator[Finding]:
    session_s, tick_s = store.session_timeout, store.tick_time
    timing = reckon(session_s, tick_s, demote_s)
    if timing.is_safe and timing.is_steady:
        return
    demote, lease = format_duration(demote_s), format_duration(round(timing.lease_s, 3))
    if timing.is_safe:
        message = f"with {demote} the demote must start before the next renewal could be sent"
    else:
        message = f"on_store_loss: step_down has {lease} to demote, and {demote} does not fit"
    yield Finding(DEMOTE, message, _what_would_be_safe(session_s, tick_s, demote_s))


def _what_would_be_safe(session_s: float, tick_s: float, demote_s: float) -> str:
    longer = format_duration(shortest_session_s(tick_s, demote_s))
    raise_it = f"session_timeout {longer} or more"
    ways = [raise_it]
    if (demote_longest_s := longest_demote_s(session_s, tick_s)) > 0:
        ways.insert(0, f"timeout {format_duration(demote_longest_s)} or less")
    if (tick_longest_s := longest_tick_s(session_s, demote_s)) > 0:
        ways.append(f"servers with tick_time {format_duration(tick_longest_s)} or less")
    return f"safe would be: {', or '.join(ways)}"
