"""How the records in the store are written: JSON with a `schema` number, behind this one small codec.

Unknown fields of breadcrumb and control are kept. A record that cannot be read becomes a value that says so
(`Crumb.error`, `Control.error`), never a guess: whoever sees it must not overwrite it.
Deliberately unknown here: which store keeps the bytes, and under which version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    Crumb,
    EndedSwitchover,
    Health,
    Member,
    Node,
    Pause,
    Role,
    Switchover,
)
from failover.stores.fields import SCHEMA, Fields, RecordError, is_text, parse, unparse

LONGEST_WHY = 500
LARGEST_HISTORY_ENTRY = 8_192

__all__ = ["SCHEMA", "RecordError"]


# --- breadcrumb ---------------------------------------------------------------------------------


def encode_breadcrumb(record: Breadcrumb) -> bytes:
    """The breadcrumb's bytes; unknown fields in `extra` are written back."""
    return unparse(
        {
            **record.extra,
            "node": record.node.name,
            "machine_id": record.node.machine_id,
            "epoch": record.epoch,
            "boot_id": record.boot_id,
            "address": record.address,
            "clean": record.clean,
            "facts": dict(record.facts),
        }
    )


def read_crumb(path: str, data: bytes | None, version: int) -> Crumb:
    """The breadcrumb found at `path`; `data` None: there is none."""
    if data is None:
        return Crumb()
    try:
        return Crumb(_breadcrumb(parse(path, data)), version)
    except RecordError as error:
        return Crumb(None, version, str(error))


def _breadcrumb(fields: Fields) -> Breadcrumb:
    return Breadcrumb(
        node=_node(fields),
        epoch=fields.number("epoch"),
        boot_id=fields.text("boot_id"),
        address=fields.text("address", ""),
        clean=fields.flag("clean", False),
        facts=fields.texts("facts"),
        extra=fields.rest(),
    )


def _node(fields: Fields) -> Node:
    return Node(fields.text("node"), fields.text("machine_id"))


# --- lock and session ---------------------------------------------------------------------------


def encode_owner(node: Node) -> bytes:
    """The bytes of the lock, and of a session's record: whose it is."""
    return unparse({"node": node.name, "machine_id": node.machine_id})


def read_owner(path: str, data: bytes) -> Node:
    """Whose the lock or session is. Raises RecordError."""
    return _node(parse(path, data))


# --- member -------------------------------------------------------------------------------------


def encode_member(member: Member) -> bytes:
    """The member record's bytes. Its session is what the store says, so it is not written."""
    return unparse(
        {
            "node": member.node.name,
            "machine_id": member.node.machine_id,
            "role": member.role.value,
            "health": member.health.value,
            "epoch": member.epoch,
            "boot_id": member.boot_id,
            "address": member.address,
            "priority": member.priority,
            "position": member.position,
            "impaired": member.impaired,
            "candidate": member.candidate,
            "barred": member.barred[:LONGEST_WHY],
            "settled": member.settled,
            "ended": member.ended,
            "why": member.why[:LONGEST_WHY],
            "fenceable": dict(member.fenceable),
            "config_hash": member.config_hash,
            "version": member.version,
        }
    )


def read_member(path: str, data: bytes, session: str) -> Member:
    """The member record at `path`, kept alive by `session`. Raises RecordError."""
    fields = parse(path, data)
    try:
        role, health = Role(fields.text("role")), Health(fields.text("health"))
    except ValueError as error:
        raise fields.wrong(str(error)) from None
    return Member(
        node=_node(fields),
        session=session,
        role=role,
        health=health,
        epoch=fields.number("epoch", 0),
        boot_id=fields.text("boot_id", ""),
        address=fields.text("address", ""),
        priority=fields.number("priority", 0),
        position=fields.number_or_none("position"),
        impaired=fields.number("impaired", 0),
        barred=_barred(fields),
        settled=fields.flag("settled", False),
        ended=fields.number("ended", 0),
        why=fields.text("why", ""),
        fenceable=fields.texts("fenceable"),
        config_hash=fields.text("config_hash", ""),
        version=fields.text("version", ""),
    )


def _barred(fields: Fields) -> str:
    """Why it is no candidate; a record that only says that it is none gives no reason."""
    why = fields.text("barred", "")
    return why if why or fields.flag("candidate", True) else "its record gives no reason"


# --- control ------------------------------------------------------------------------------------


def encode_control(control: Control) -> bytes:
    """The control record's bytes; its version is the store's own and not written."""
    return unparse(
        {
            **control.extra,
            "pause": _plain_pause(control.pause),
            "drained": sorted(control.drained),
            "switchover": _plain_switchover(control.switchover),
            "ended": [_plain_ended(ended) for ended in control.ended],
            "confirmed": _plain_confirmation(control.confirmed),
        }
    )


def read_control(path: str, data: bytes | None, version: int) -> Control:
    """The control record at `path`; `data` None: it is not there, which only `format` can mend."""
    if data is None:
        return Control(error=f"{path} is missing: run `failoverctl format CONFIG`")
    try:
        return _control(parse(path, data), version)
    except RecordError as error:
        return Control(version=version, error=str(error))


def _control(fields: Fields, version: int) -> Control:
    drained = fields.items("drained")
    if not all(isinstance(name, str) and is_text(name) for name in drained):
        raise fields.wrong("drained holds something that is not a text")
    pause, switchover, confirmed = (fields.nested(name) for name in ("pause", "switchover", "confirmed"))
    return Control(
        version=version,
        pause=_pause(pause) if pause else None,
        drained=frozenset(str(name) for name in drained),
        switchover=_switchover(switchover) if switchover else None,
        ended=tuple(_ended(ended) for ended in fields.nested_items("ended")),
        confirmed=_confirmation(confirmed) if confirmed else None,
        extra=fields.rest(),
    )


def _plain_pause(pause: Pause | None) -> dict[str, object] | None:
    if pause is None:
        return None
    return {"by": pause.by, "reason": pause.reason, "since": pause.since, "until": pause.until}


def _pause(fields: Fields) -> Pause:
    return Pause(fields.text("by"), fields.text("reason"), fields.text("since", ""), fields.text("until", ""))


def _plain_switchover(order: Switchover | None) -> dict[str, object] | None:
    if order is None:
        return None
    return {
        "id": order.id,
        "from": order.source,
        "to": order.target,
        "epoch": order.epoch,
        "reason": order.reason,
        "by": order.by,
        "requested_at": order.requested_at,
    }


def _switchover(fields: Fields) -> Switchover:
    return Switchover(
        id=fields.text("id"),
        source=fields.text("from"),
        target=fields.text_or_none("to"),
        epoch=fields.number("epoch"),
        reason=fields.text("reason", ""),
        by=fields.text("by", ""),
        requested_at=fields.text("requested_at", ""),
    )


def _plain_ended(ended: EndedSwitchover) -> dict[str, object]:
    return {
        "order": _plain_switchover(ended.order),
        "outcome": ended.outcome,
        "detail": ended.detail,
        "phases": dict(ended.phases),
    }


def _ended(fields: Fields) -> EndedSwitchover:
    order = fields.nested("order")
    if order is None:
        raise fields.wrong("an ended switchover has no order")
    return EndedSwitchover(
        order=_switchover(order),
        outcome=fields.text("outcome"),
        detail=fields.text("detail", ""),
        phases=fields.numbers("phases"),
    )


def _plain_confirmation(word: Confirmation | None) -> dict[str, object] | None:
    if word is None:
        return None
    return {
        "node": word.node.name,
        "machine_id": word.node.machine_id,
        "epoch": word.epoch,
        "version": word.version,
        "by": word.by,
        "reason": word.reason,
        "at": word.at,
    }


def _confirmation(fields: Fields) -> Confirmation:
    return Confirmation(
        node=_node(fields),
        epoch=fields.number("epoch"),
        version=fields.number("version"),
        by=fields.text("by"),
        reason=fields.text("reason", ""),
        at=fields.text("at", ""),
    )


# --- history ------------------------------------------------------------------------------------


def encode_history(entry: Mapping[str, Any]) -> bytes:
    """One history entry; one that is too large is replaced by its beginning."""
    text = json.dumps({**entry, "schema": SCHEMA}, ensure_ascii=False, default=str)
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= LARGEST_HISTORY_ENTRY:
        return data
    return unparse({"cut_short": text[: LARGEST_HISTORY_ENTRY // 4]})


def read_history(path: str, data: bytes) -> dict[str, Any]:
    """One history entry; one that cannot be read says so instead of hiding."""
    try:
        entry = parse(path, data).rest()
    except RecordError as error:
        return {"unreadable": str(error)}
    return entry if is_text(json.dumps(entry, ensure_ascii=False)) else {"unreadable": f"{path} is not all text"}
