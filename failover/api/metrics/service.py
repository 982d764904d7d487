"""The metrics of the store, and of the service: its hooks and probes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from urllib.parse import urlsplit

from failover.api.metrics.metric import (
    BAD_HEALTH,
    HEALTH,
    HOOK,
    HOOK_VERDICT,
    PROBE,
    RENEWAL,
    STORE_EVENT,
    Metric,
    Reading,
    counted,
    durations,
    one,
    spread,
    verdicts,
)
from failover.ports.controller import Snapshot
from failover.ports.measures import ProbeTold

STORE = (
    one("store_connected", "1: the store answers.", lambda now, _: now.connected),
    one("store_session_open", "1: this controller has a session.", lambda now, _: now.session is not None),
    one(
        "store_session_timeout_seconds",
        "The session time-out that the servers have granted; absent without a session.",
        lambda now, _: now.session_timeout_s,
    ),
    counted("store_events_total", "What the store has told.", STORE_EVENT, lambda now: now.measures.store),
    one(
        "renewal_interval_seconds",
        "From one renewal to the next; absent without the lock.",
        lambda now, _: now.renew_every_s if now.lock_held else None,
    ),
    counted("renewals_total", "Renewals of the lock.", RENEWAL, lambda now: now.measures.renewals),
    spread(
        "renewal_duration_seconds",
        "From sending a renewal until the controller has heard that it was acknowledged.",
        lambda now: now.measures.renewal,
    ),
)


# --- the service --------------------------------------------------------------------------------


def probe_labels(names: Iterable[str]) -> Iterator[str]:
    """A word for each probe, in order: no two are the same, and none has what may be secret (a command, a query)."""
    seen: set[str] = set()
    for name in names:
        plain = _plain(name)
        word = next(word for word in _numbered(plain) if word not in seen)
        seen.add(word)
        yield word


def _numbered(plain: str) -> Iterator[str]:
    yield plain
    yield from (f"{plain} #{number}" for number in count(2))


def _plain(name: str) -> str:
    kind, _, asked = name.partition(" ")
    if kind == "command":
        return kind
    if kind == "http":
        url = urlsplit(asked)
        return f"{kind} {url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    return name


def _probes(snapshot: Snapshot) -> list[tuple[str, ProbeTold]]:
    told = snapshot.measures.probes
    return list(zip(probe_labels(one.name for one in told), told, strict=True))


def _probe_health(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    return [
        ((word, health), float(told.health == health))
        for word, told in _probes(snapshot)
        for health in HEALTH[1].values
    ]


def _probe_failures(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    return [
        ((word, health), float(number)) for word, told in _probes(snapshot) for health, number in told.failures.items()
    ]


SERVICE = (
    Metric(
        "hook_runs_total",
        "counter",
        "How often the service was told or asked something.",
        lambda now, _: verdicts(now.measures.hooks),
        dict([HOOK, HOOK_VERDICT]),
    ),
    Metric(
        "hook_duration_seconds",
        "histogram",
        "How long those took.",
        lambda now, _: durations(now.measures.hooks),
        dict([HOOK]),
    ),
    Metric(
        "probe_health",
        "gauge",
        "A probe's word, after its rise and fall: 1 for the present one.",
        _probe_health,
        dict([PROBE, HEALTH]),
    ),
    Metric(
        "probe_critical",
        "gauge",
        "1: the service is ill when this probe fails; 0: the node is only impaired.",
        lambda now, _: [((word,), float(told.critical)) for word, told in _probes(now)],
        dict([PROBE]),
    ),
    Metric(
        "probe_failures_total",
        "counter",
        "Single bad findings of a probe, before its fall.",
        _probe_failures,
        dict([PROBE, BAD_HEALTH]),
    ),
    Metric(
        "probe_excused_total",
        "counter",
        "Bad findings that did not count, because the controller itself was starved.",
        lambda now, _: [((word,), float(told.excused)) for word, told in _probes(now)],
        dict([PROBE]),
    ),
    Metric(
        "probe_duration_seconds",
        "histogram",
        "How long a probe's checks took; `_count` is how many there were.",
        lambda now, _: [((word,), told.took) for word, told in _probes(now)],
        dict([PROBE]),
    ),
)
