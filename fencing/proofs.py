"""The proof book: what fence devices have said while all was well, and what became of strikes.

For every node (name and machine-id) and method: when its device said ON last, the last probe, the quarantine, the last
live test. It is kept in the state folder, so that a restarted controller still knows. An entry holds for the method's
settings and the node's facts as they were: a changed fingerprint forgets ON and proof, since another device may be
meant now. A quarantine is lifted only by a later ON. Deliberately unknown here: who probes, and when.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.fences import Fenced, FenceReport, Known, Struck
from failover.ports.measures import LONG_S, VERDICTS, Asked, Spreading
from failover.ports.service import Proof
from failover.support.private_files import NotBelieved, read_private, write_private
from fencing.chain import StrikeRecord
from fencing.fenced import EndedBoots
from fencing.proof_records import LARGEST, Entry, Pages, pages_in, written

MOST_ENTRIES = 500
MOST_STRIKES = 100
MOST_FENCED = 50
LONGEST = 300

log = logging.getLogger("failoverd")

Key = tuple[str, str, str]
_USED = re.compile(r"\{node\.([A-Za-z_]\w*)\}")


def fingerprint_of(dumped: str, node: str, facts: Mapping[str, str]) -> str:
    """Of a method's settings (as text, with references in place of secrets) and the facts of `node` that they use."""
    used = {name: node if name == "name" else facts.get(name, "") for name in sorted(set(_USED.findall(dumped)))}
    return hashlib.sha256(json.dumps([dumped, used]).encode()).hexdigest()[:16]


class ProofBook:
    """Implements `fencing.chain.Book` and `failover.ports.fences.Proofs`.

    `settings`: each method's settings as text, without any secret; `nodes`: the configured facts of each node.
    `now_s`: CLOCK_BOOTTIME in seconds; `wall`: wall time for people. `boot_id`: this host's: times of another do not
    count. `ended_boots`: what all services on this host know together.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, str],
        nodes: Mapping[str, Mapping[str, str]],
        now_s: Callable[[], float],
        wall: Callable[[], str],
        boot_id: str,
        ended_boots: EndedBoots,
        own: str = "",
    ) -> None:
        self._path = path
        self._settings = settings
        self._nodes = nodes
        self._now_s = now_s
        self._wall = wall
        self._boot_id = boot_id
        self._ended_boots = ended_boots
        self._own = own
        self._target: Breadcrumb | None = None
        self._complained = False
        pages = self._read()
        self._entries: dict[Key, Entry] = {
            (entry.known.node.name, entry.known.node.machine_id, entry.known.method): entry for entry in pages.entries
        }
        self._strikes: deque[Struck] = deque(pages.strikes, maxlen=MOST_STRIKES)
        self._fenced: deque[Fenced] = deque(pages.fenced, maxlen=MOST_FENCED)
        self._struck: dict[str, tuple[dict[str, int], Spreading]] = {}

    def configure(self, settings: Mapping[str, str], nodes: Mapping[str, Mapping[str, str]]) -> None:
        """A reload: what was proven of other settings counts no more."""
        self._settings, self._nodes = settings, nodes
        self._struck = {name: one for name, one in self._struck.items() if name in settings}

    # --- what the chain asks --------------------------------------------------------------------

    def quarantined(self, target: Node, method: str) -> str:
        return self.of(target, method).quarantine

    def seen_on(self, target: Node, method: str) -> bool:
        return bool(self.of(target, method).on_at)

    def off_since(self, target: Breadcrumb) -> str:
        return self._ended_boots.off_since(target)

    def struck(self, record: StrikeRecord) -> None:
        at = record.at or self._wall()
        self._count(record)
        self._strikes.append(
            Struck(
                at,
                record.target,
                record.epoch,
                record.level,
                record.method,
                record.number,
                record.verdict,
                record.detail[:LONGEST],
                record.took_s,
            )
        )
        target = self._target
        if record.saw_on and target is not None and target.node.name == record.target:
            self._change(target.node, record.method, lambda known: replace(known, on_at=at, quarantine=""))
        self._write()

    def _count(self, record: StrikeRecord) -> None:
        verdicts, took = self._struck.setdefault(record.method, (dict.fromkeys(VERDICTS, 0), Spreading(LONG_S)))
        verdicts[record.verdict.value] += 1
        took.add(record.took_s)

    def ended(self, report: FenceReport) -> None:
        target = report.target
        self._target = None
        if report.verdict is Verdict.DONE and report.level:
            at = report.at or self._wall()
            if report.power:
                self._ended_boots.ended(target, at)
            self._forget_fenced(target.node.name)
            detail = report.detail[:LONGEST]
            self._fenced.append(Fenced(target.node, report.epoch, report.methods, detail, at, self._now_s()))
        self._write()

    # --- what the runtime keeps here ------------------------------------------------------------

    def striking(self, target: Breadcrumb) -> None:
        """The breadcrumb's own facts go before the local ones: another device may be meant than was proven."""
        self._target = target

    def strike_over(self) -> None:
        """The chain has ended, or was called off: what is proven from now on is of the local facts again."""
        self._target = None

    def of(self, target: Node, method: str) -> Known:
        entry = self._entries.get((target.name, target.machine_id, method))
        if entry is None:
            return Known(target, method)
        if entry.fingerprint == self._fingerprint(target, method):
            return entry.known
        return Known(target, method, quarantine=entry.known.quarantine)

    def known(self) -> tuple[Known, ...]:
        """Of the methods that are configured now."""
        keys = sorted(key for key in self._entries if key[2] in self._settings)
        return tuple(self.of(Node(name, machine_id), method) for name, machine_id, method in keys)

    def probed(self, target: Node, method: str, proof: Proof) -> None:
        at, now_s, detail = self._wall(), self._now_s(), proof.detail[:LONGEST]

        def change(known: Known) -> Known:
            failures = 0 if proof.verdict is Verdict.DONE else known.failures + 1
            known = replace(known, proof=proof.verdict, detail=detail, proved_at=at, proved_s=now_s, failures=failures)
            if proof.on:
                known = replace(known, on_at=at, quarantine="")
            if proof.lies:  # what it said before may have been of another node, too
                known = replace(known, on_at="", quarantine=quarantine_words(target.name, method))
            return known

        struck, self._target = self._target, None  # a probe asks the device of the local facts, whatever is struck
        self._change(target, method, change)
        self._target = struck
        self._write()

    def tested(self, target: Node, method: str, verdict: Verdict, detail: str) -> None:
        at = self._wall()
        self._change(
            target, method, lambda known: replace(known, test=verdict, test_detail=detail[:LONGEST], tested_at=at)
        )
        self._write()

    def strikes(self) -> tuple[Struck, ...]:
        return tuple(self._strikes)

    def struck_often(self) -> tuple[Asked, ...]:
        """Of the methods that are configured now, those that have not struck yet too."""
        none = (dict.fromkeys(VERDICTS, 0), Spreading(LONG_S))
        found = ((name, *self._struck.get(name, none)) for name in sorted(self._settings))
        return tuple(Asked(name, dict(verdicts), took.told()) for name, verdicts, took in found)

    def fenced(self) -> tuple[Fenced, ...]:
        return tuple(self._fenced)

    def seen(self, node: Node, boot_id: str) -> None:
        self._ended_boots.lives(node, boot_id)
        if self._forget_fenced(node.name):
            self._write()

    def _forget_fenced(self, name: str) -> bool:
        """Also where it was another machine: the new one of that name is there in its place."""
        left = [one for one in self._fenced if one.node.name != name]
        known = len(left) != len(self._fenced)
        self._fenced = deque(left, maxlen=MOST_FENCED)
        return known

    # --- entries and their file -----------------------------------------------------------------

    def _change(self, target: Node, method: str, change: Callable[[Known], Known]) -> None:
        key = (target.name, target.machine_id, method)
        entry = Entry(change(self.of(target, method)), self._fingerprint(target, method))
        self._entries.pop(key, None)
        self._entries[key] = entry
        while len(self._entries) > MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]

    def _fingerprint(self, target: Node, method: str) -> str:
        local = {} if target.name == self._own else self._nodes.get(target.name, {})
        struck = self._target
        facts = {**local, **struck.facts} if struck is not None and struck.node == target else local
        return fingerprint_of(self._settings.get(method, ""), target.name, facts)

    def _read(self) -> Pages:
        try:
            data = read_private(self._path, LARGEST)
            return pages_in(data, self._boot_id) if data is not None else Pages()
        except NotBelieved as why:
            log.warning("%s is not used, so nothing counts as proven until the next probes: %s", self._path, why)
            return Pages()

    def _write(self) -> None:
        pages = Pages(tuple(self._entries.values()), tuple(self._strikes), tuple(self._fenced))
        try:
            write_private(self._path, json.dumps(written(pages, self._boot_id)).encode())
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.error("%s cannot be written: %s; a restart forgets what was proven", self._path, error.strerror)


def quarantine_words(node: str, method: str) -> str:
    """Why a method that lied is not used."""
    return (
        f"probe: {method} says {node} is OFF, but {node} is alive. "
        "This method points to another machine; it is not used until a probe says ON"
    )


def settings_text(dumped: Any) -> str:
    """A method's settings as text: references stand in place of secrets."""
    return json.dumps(dumped, sort_keys=True, default=str)
