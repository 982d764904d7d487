"""The proof book's file: what is in it, and how much of a damaged one is believed (nothing).

Knows neither where the file is nor what an entry means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from failover.core.values import Node, Verdict
from failover.ports.fences import Fenced, Known, Struck
from failover.support.private_files import NotBelieved

SCHEMA = 1
LARGEST = 2_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known, and of which settings and facts."""

    known: Known
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Pages:
    """Everything in the file."""

    entries: tuple[Entry, ...] = ()
    strikes: tuple[Struck, ...] = ()
    fenced: tuple[Fenced, ...] = ()


def written(pages: Pages, boot_id: str) -> dict[str, Any]:
    """As a record."""
    return {
        "schema": SCHEMA,
        "boot_id": boot_id,
        "entries": [{**asdict(entry.known), "fingerprint": entry.fingerprint} for entry in pages.entries],
        "strikes": [asdict(strike) for strike in pages.strikes],
        "fenced": [asdict(fenced) for fenced in pages.fenced],
    }


def pages_in(data: bytes, boot_id: str) -> Pages:
    """What the file holds. In another boot its CLOCK_BOOTTIME means nothing. Raises NotBelieved."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        raise NotBelieved("it does not hold a record") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise NotBelieved("it does not hold a record of this version")
    this_boot = record.get("boot_id") == boot_id
    try:
        entries = tuple(_entry(one, this_boot) for one in record["entries"])
        strikes = tuple(_strike(one) for one in record["strikes"])
        fenced = tuple(_fenced(one, this_boot) for one in record["fenced"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotBelieved("an entry in it is not one") from None
    return Pages(entries, strikes, fenced)


def _entry(one: Mapping[str, Any], this_boot: bool) -> Entry:
    fields = {**one}
    fingerprint = _text(fields.pop("fingerprint"))
    node = _node(fields.pop("node"))
    for name in ("proof", "test"):
        fields[name] = None if fields[name] is None else Verdict(fields[name])
    known = Known(node=node, **fields)
    for name in ("method", "on_at", "detail", "proved_at", "quarantine", "test_detail", "tested_at"):
        _text(getattr(known, name))
    _number(known.failures)
    if not this_boot:
        return Entry(replace(known, proved_s=None), fingerprint)
    if known.proved_s is not None:
        _number(known.proved_s)
    return Entry(known, fingerprint)


def _strike(one: Mapping[str, Any]) -> Struck:
    strike = Struck(**{**one, "verdict": Verdict(one["verdict"])})
    for value in (strike.at, strike.target, strike.method, strike.detail):
        _text(value)
    for number in (strike.epoch, strike.level, strike.number, strike.took_s):
        _number(number)
    return strike


def _fenced(one: Mapping[str, Any], this_boot: bool) -> Fenced:
    methods = tuple(_text(name) for name in one["methods"])
    fenced = Fenced(**{**one, "node": _node(one["node"]), "methods": methods})
    for value in (fenced.detail, fenced.at):
        _text(value)
    _number(fenced.epoch)
    if fenced.at_s is not None:
        _number(fenced.at_s)
    return fenced if this_boot else replace(fenced, at_s=None)


def _node(value: Mapping[str, Any]) -> Node:
    return Node(_text(value["name"]), _text(value["machine_id"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _number(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
