"""Fencing as tests of the runtime need it: a chain without methods, and a book in memory."""

from __future__ import annotations

from pathlib import Path

from failover.core.values import Node
from failover.runtime.fences import FenceParts, Fences
from failover.runtime.provable import Terms
from fencing.chain import Chain
from fencing.fenced import EndedBoots
from fencing.proofs import ProofBook

WALL = "2024-05-01T03:00:00Z"


def book_in(folder: Path, now_s: float = 100.0) -> ProofBook:
    """A book in that folder, at a fixed time."""
    return ProofBook(
        folder / "proofs.json", {}, {}, lambda: now_s, lambda: WALL, "boot-1", EndedBoots(folder, "orders-db")
    )


def no_fencing(own: Node, folder: Path = Path("/nonexistent")) -> Fences:
    """For controllers whose fencing is of no interest."""
    chain = Chain({}, [], 1.0, own)
    parts = FenceParts(chain, lambda _: chain, Terms({}, []), 1.0, 1.0, {})
    return Fences("orders-db", own.name, parts, book_in(folder))
