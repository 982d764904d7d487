"""Which peers could be fenced now, judged by what probes have found. Pure: the present time is an argument.

Knows nothing of how a method is probed, nor of who should go first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from failover.core.values import Node, Verdict
from failover.ports.fences import Known
from failover.ports.service import FenceMethod

FRESH_ROUNDS = 3
"""A proof is good for so many times `fencing.probe.every`."""
FAILING_AFTER = 3
"""So many failed probes in a row make a method unusable in the eyes of whoever looks; the chain still tries it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The chain as it is configured. `every_s` None: probes only when asked, so nothing counts as lately proven.

    `needs_help`: methods that are useless against a host without power; a level with one of them proves nothing
    where there are others.
    """

    methods: Mapping[str, FenceMethod]
    levels: Sequence[Sequence[str]]
    every_s: float | None = None
    needs_help: frozenset[str] = frozenset()

    def able(self) -> list[Sequence[str]]:
        """The levels that count: those without a method that needs the node's own help, or all if there is none."""
        able = [level for level in self.levels if not self.needs_help & set(level)]
        return able or list(self.levels)


Look = Callable[[Node, str], Known]


def is_fresh(known: Known, every_s: float | None, now_s: float) -> bool:
    """Whether the last probe said that the node could be fenced, and is not too old."""
    if every_s is None or known.proof is not Verdict.DONE or known.proved_s is None:
        return False
    return 0 <= now_s - known.proved_s <= FRESH_ROUNDS * every_s


def proven_at(terms: Terms, node: Node, look: Look, now_s: float) -> str:
    """Since when (wall time) a level stands ready, the latest; "" if none does.

    Each method of it that can be probed was, lately and well, and none is quarantined. As old as its oldest proof.
    """
    found = [_level_proven_at(terms, level, node, look, now_s) for level in terms.able()]
    return max(found, default="")


def _level_proven_at(terms: Terms, level: Sequence[str], node: Node, look: Look, now_s: float) -> str:
    if any(look(node, name).quarantine for name in level):
        return ""
    proofs = [look(node, name) for name in level if terms.methods[name].traits.askable]
    if not all(is_fresh(known, terms.every_s, now_s) for known in proofs):
        return ""
    return min((known.proved_at for known in proofs), default="")


def level_bar(terms: Terms, level: Sequence[str], node: Node, look: Look) -> str:
    """Why this level could not end the chain, as far as is known; "" if it could."""
    for name in level:
        known = look(node, name)
        if known.quarantine:
            return known.quarantine
        if known.failures >= FAILING_AFTER and terms.methods[name].traits.askable:
            return f"the last {known.failures} probes of {name} failed: {known.detail}"
    if not any(terms.methods[name].traits.whole for name in level):
        return "it stops only the service, not its controller, so it does not count alone (S7)"
    return ""


def is_usable(terms: Terms, node: Node, look: Look) -> bool:
    """Whether any level that counts could still end the chain."""
    return any(not level_bar(terms, level, node, look) for level in terms.able())


def is_stale(terms: Terms, node: Node, look: Look, now_s: float) -> bool:
    """Whether a peer was proven once, and all proofs that count have grown too old."""
    if terms.every_s is None:
        return False
    names = {name for level in terms.able() for name in level if terms.methods[name].traits.askable}
    proofs = [look(node, name) for name in names]
    seen = [known for known in proofs if known.proved_s is not None]
    horizon_s = now_s - FRESH_ROUNDS * terms.every_s
    return bool(seen) and all((known.proved_s or 0.0) < horizon_s for known in seen)
