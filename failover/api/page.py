"""The status page: one self-contained HTML file, whole without JavaScript, readable at 3 a.m.

Everything that comes from elsewhere is escaped here. A stale snapshot shows nothing of what it knew (S11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from failover.api import views
from failover.api.front import stale
from failover.core.values import Role
from failover.ports.controller import Snapshot

LINES = 20
_COLOURS = {"good": "#0b6b3a", "bad": "#c22", "warn": "#d98c00", "busy": "#1c4c9d"}
_BUSY = (Role.CAMPAIGNING, Role.FENCING, Role.CLAIMING, Role.PROMOTING)
_MARKS = {
    "active": "g",
    "standby": "g",
    "healthy": "g",
    "out": "w",
    "unknown": "w",
    "unhealthy": "b",
    "not_responding": "b",
}
View = Mapping[str, Any]


def fresh_page(snapshot: Snapshot, now_s: float, history: list[dict[str, Any]]) -> tuple[str, str, str]:
    """(title, kind of the headline, HTML of main)."""
    cluster = views.cluster(snapshot, now_s, history)
    kind, headline = _headline(snapshot, cluster)
    parts = [
        _box(kind, headline, _beneath(snapshot, cluster)),
        _pause(cluster["pause"]),
        _switchover(cluster["switchover"]),
        _to_do(cluster["to_do"]),
        "<h2>Nodes</h2>" + _members(cluster["members"]),
        "<h2>What happened</h2>" + _history(history or map(views.line, snapshot.recent)),
        _told_by(snapshot, cluster),
    ]
    return f"{headline}: {snapshot.service}", kind, "".join(parts)


def stale_page(snapshot: Snapshot, now_s: float) -> tuple[str, str, str]:
    """As `fresh_page`, where nothing can be said but that."""
    problem = stale(snapshot, now_s)
    box = _box("bad", "This controller cannot say how things are", [problem.detail, problem.next_step])
    other = "<p>Ask another node's page, or <code>failoverctl status</code> there.</p>"
    return f"? {snapshot.service}", "bad", box + other


def _headline(snapshot: Snapshot, cluster: View) -> tuple[str, str]:
    acting = cluster["active"]
    if acting is not None:
        unproven = acting["node"] == snapshot.node.name and not cluster["lock"]["proven"]
        return ("warn" if unproven else "good"), f"{acting['node']} is active"
    if not snapshot.connected:
        return "warn", "The store does not answer: who is active is not known here"
    coming = [
        member
        for member in cluster["members"]
        if member["role"] in _BUSY and snapshot.holder and member["node"] == snapshot.holder.node
    ]
    if coming:
        return "busy", f"Nobody is active yet: {coming[0]['node']} is {coming[0]['role']}"
    return "bad", "Nobody is active"


def _beneath(snapshot: Snapshot, cluster: View) -> list[str]:
    acting, told = cluster["active"], []
    if acting is not None:
        since = f" since {acting['since']}" if acting["since"] else ""
        told.append(f"under epoch {acting['epoch']}{since}")
    lock = cluster["lock"]
    if lock["held"] and lock["proven_age_s"] is not None:
        proof = "proven" if lock["proven"] else "NOT PROVEN"
        lease = f" (the lease is {lock['lease_s']:g} s)" if lock["lease_s"] is not None else ""
        told.append(f"Lock: {proof}; last renewal {lock['proven_age_s']:.1f} s ago{lease}")
    elif lock["held"]:
        told.append("Lock: held, NOT PROVEN")
    elif lock["holder"] is not None:
        told.append(f"Lock: held by {lock['holder']['node']}, as {snapshot.node.name} sees it")
    else:
        told.append("Lock: nobody is seen to hold it")
    return told


def _box(kind: str, headline: str, lines: Iterable[str]) -> str:
    told = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return f'<div class="box {kind}"><div class="big">{escape(headline)}</div>{told}</div>'


def _pause(pause: View | None) -> str:
    if pause is None:
        return ""
    who = f"by {pause['by']}" + (f", since {pause['since']}" if pause["since"] else "")
    until = f"Ends by itself at {pause['until']}" if pause["until"] else ""
    lines = [f"{pause['reason']} ({who})", until, "Next: failoverctl resume, when done"]
    return _box("warn", "Paused: automatic moves are off", lines)


def _switchover(order: View | None) -> str:
    if order is None:
        return ""
    target = order["to"] or "the best candidate"
    return _box("busy", f"Switchover from {order['from']} to {target}", [f"{order['reason']} ({order['by']})"])


def _to_do(entries: Iterable[View]) -> str:
    boxes = [
        f'<div class="box warn"><strong>{escape(entry["problem"])}</strong><p>Next: {escape(entry["next"])}</p></div>'
        for entry in entries
    ]
    return "<h2>What is wrong, and what to do</h2>" + "".join(boxes) if boxes else ""


def _members(members: Iterable[View]) -> str:
    rows = "".join(_member(member) for member in members)
    head = "<tr><th>Node</th><th>Role</th><th>Health</th><th>Why</th><th>Next</th></tr>"
    return f'<div class="scroll"><table>{head}{rows}</table></div>'


def _member(member: View) -> str:
    tags = [word for word in ("drained",) if member[word]]
    tags += [] if member["candidate"] else ["not a candidate"]
    tags += [f"impaired {member['impaired']}"] if member["impaired"] else []
    if member["position"] is not None:
        tags.append(f"position {member['position']}")
    proven = member["fence_proven"]["by"]
    tags += [f"fence proven {max(proven.values())} by {' and '.join(proven)}"] if proven else []
    about = f'<div class="soft">{escape(", ".join(tags))}</div>' if tags else ""
    return (
        f"<tr><td><strong>{escape(member['node'])}</strong>{about}</td>"
        f"<td>{_mark(member['role'])}</td><td>{_mark(member['health'])}</td>"
        f"<td>{_list(member['reasons'] or [member['why']])}</td><td>{_list(member['next'])}</td></tr>"
    )


def _mark(word: str) -> str:
    return f'<span class="mark {_MARKS.get(word, "u")}">{escape(word.replace("_", " "))}</span>'


def _list(lines: list[str]) -> str:
    told = [line for line in lines if line]
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in told) + "</ul>" if told else ""


def _history(lines: Iterable[View]) -> str:
    latest = list(lines)[-LINES:]
    if not latest:
        return "<p>Nothing is remembered yet.</p>"
    rows = "".join(_event(line) for line in reversed(latest))
    head = "<tr><th>When</th><th>Node</th><th>Role</th><th>Epoch</th><th>Why</th></tr>"
    return f'<div class="scroll"><table>{head}{rows}</table></div>'


def _event(line: View) -> str:
    def told(key: str) -> str:
        return escape(str(line.get(key, "")))

    return (
        f'<tr><td class="when">{told("at")}</td><td>{told("node")}</td>'
        f"<td>{told('from')} → {told('to')}</td><td>{told('epoch')}</td><td>{told('why')}</td></tr>"
    )


def _told_by(snapshot: Snapshot, cluster: View) -> str:
    words = (
        f"Told by {snapshot.node.name} (failoverd {snapshot.version}, started {snapshot.started_at}) "
        f"from what it knew {cluster['age_s']:.1f} s ago. Store: {snapshot.store_kind}, "
        f"{'connected' if snapshot.connected else 'AWAY'}. Without the store: {snapshot.on_store_loss}."
    )
    return f'<p class="soft">{escape(words)}</p>'


def icon(kind: str) -> str:
    """A favicon as a data address: the tab shows the state."""
    colour = _COLOURS[kind].replace("#", "%23")
    circle = f"%3Ccircle cx='8' cy='8' r='7' fill='{colour}'/%3E"
    return f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E{circle}%3C/svg%3E"
