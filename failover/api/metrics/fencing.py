"""The metrics of fencing: what has struck, and what is proven of each peer that is there."""

from __future__ import annotations

from failover.api.metrics.metric import (
    METHOD,
    MOST_PEERS,
    PEER,
    RESTORE,
    VERDICT,
    Metric,
    Read,
    Reading,
    counted,
    durations,
    one,
    verdicts,
)
from failover.core.values import Member, Verdict
from failover.ports.controller import Snapshot
from failover.ports.fences import Known


def _peers(snapshot: Snapshot) -> list[Member]:
    """Of those that are not there now nothing is told: their proofs only grow old."""
    return [member for member in snapshot.members if member.node != snapshot.node][:MOST_PEERS]


def _known(snapshot: Snapshot) -> list[Known]:
    peers = {member.node for member in _peers(snapshot)}
    configured = {method.name for method in snapshot.fences.methods}
    return [known for known in snapshot.fences.known if known.node in peers and known.method in configured]


def _of_peers(named: str, present: bool) -> Read:
    """1 for peers whose name is (or is not) in that part of the sight."""

    def read(snapshot: Snapshot, _now_s: float) -> list[Reading]:
        names = getattr(snapshot.fences, named)
        return [((peer.node.name,), float((peer.node.name in names) == present)) for peer in _peers(snapshot)]

    return read


def _probe_ages(snapshot: Snapshot, now_s: float) -> list[Reading]:
    known = [one for one in _known(snapshot) if one.proved_s is not None]
    return [((one.node.name, one.method), max(0.0, now_s - (one.proved_s or 0.0))) for one in known]


def _restores(snapshot: Snapshot, _now_s: float) -> list[Reading]:
    states = [one.state for one in snapshot.fences.restores]
    return [((state,), float(states.count(state))) for state in RESTORE[1].values]


FENCING = (
    counted("fences_total", "Runs of the whole fencing chain.", VERDICT, lambda now: now.measures.fences),
    Metric(
        "fence_strikes_total",
        "counter",
        "Strikes of a method, those of live tests too.",
        lambda now, _: verdicts(now.fences.struck),
        dict([METHOD, VERDICT]),
    ),
    Metric(
        "fence_strike_duration_seconds",
        "histogram",
        "How long those took.",
        lambda now, _: durations(now.fences.struck),
        dict([METHOD]),
    ),
    one(
        "fence_probe_interval_seconds",
        "fencing.probe.every; absent where probes are made only when asked for.",
        lambda now, _: now.fences.every_s,
    ),
    Metric(
        "fence_probe_age_seconds",
        "gauge",
        "Since the last probe of a method towards a peer, whatever it found; absent before the first.",
        _probe_ages,
        dict([PEER, METHOD]),
    ),
    Metric(
        "fence_probe_done",
        "gauge",
        "1: that probe has proven that the peer could be fenced by this method.",
        lambda now, _: [
            ((one.node.name, one.method), float(one.proof is Verdict.DONE)) for one in _known(now) if one.proof
        ],
        dict([PEER, METHOD]),
    ),
    Metric(
        "fence_probe_failures",
        "gauge",
        "Probes in a row that have not proven it.",
        lambda now, _: [((one.node.name, one.method), float(one.failures)) for one in _known(now)],
        dict([PEER, METHOD]),
    ),
    Metric(
        "fence_quarantined",
        "gauge",
        "1: the method's device has said OFF for a living peer, so it is not used.",
        lambda now, _: [((one.node.name, one.method), float(one.quarantine != "")) for one in _known(now)],
        dict([PEER, METHOD]),
    ),
    Metric(
        "fence_peer_proven",
        "gauge",
        "1: a level of the chain has lately been proven towards this peer.",
        _of_peers("fenceable", True),
        dict([PEER]),
    ),
    Metric(
        "fence_peer_usable",
        "gauge",
        "1: as far as is known, a level of the chain could end it.",
        _of_peers("unusable", False),
        dict([PEER]),
    ),
    Metric(
        "fence_peer_stale",
        "gauge",
        "1: it was proven once, and all proofs that count have grown too old.",
        _of_peers("stale", True),
        dict([PEER]),
    ),
    one("fenced_nodes", "Nodes that were fenced and have not come back.", lambda now, _: len(now.fences.fenced)),
    Metric(
        "fence_restores",
        "gauge",
        "What fences have taken and this node is to give back, or has given back.",
        _restores,
        dict([RESTORE]),
    ),
)
