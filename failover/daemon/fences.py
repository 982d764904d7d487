"""From configuration to a wired fencing: the chain, its proof book, and what is asked of them around a failover."""

from __future__ import annotations

from pathlib import Path

from config import Config
from config.models.fencing import BLOCKING_KINDS
from config.timing import own_promise
from failover.core.values import Identity, Node
from failover.daemon.tls import peer_files
from failover.ports.service import FenceMethod
from failover.runtime.edge import boot_time_s
from failover.runtime.fences import FenceParts, Fences
from failover.runtime.provable import Terms
from failover.runtime.reports import wall_time
from failover.support.launcher import Launcher
from fencing import FENCERS, FenceContext
from fencing.chain import Chain
from fencing.contradiction import Verify
from fencing.fenced import FOLDER, EndedBoots
from fencing.peer import PeerAuth
from fencing.proofs import ProofBook, settings_text

BOOK = "proofs.json"


def make_book(config: Config, folder: Path, identity: Identity) -> ProofBook:
    """The proof book of this service on this host, and what all services here know of boots that have ended."""
    return ProofBook(
        folder / BOOK,
        _settings(config),
        config.nodes,
        boot_time_s,
        wall_time,
        identity.boot_id,
        EndedBoots(config.state_dir / FOLDER, config.service),
        identity.node.name,
    )


def _settings(config: Config) -> dict[str, str]:
    return {name: settings_text(method.model_dump(mode="json")) for name, method in config.fencing.methods.items()}


def make_methods(
    config: Config, launcher: Launcher, peer: PeerAuth | None, folder: Path | None
) -> dict[str, FenceMethod]:
    """Every configured method, by name."""
    context = FenceContext(
        launcher,
        config.nodes,
        peer,
        peer_files(config),
        service=config.service,
        folder=folder,
        promise=own_promise(config),
    )
    return {name: FENCERS[settings.kind](name, settings, context) for name, settings in config.fencing.methods.items()}


def make_fence_parts(
    config: Config, own: Node, launcher: Launcher, peer: PeerAuth | None, folder: Path, book: ProofBook
) -> FenceParts:
    """The chain in the order of the file, and a chain of each method alone for live tests."""
    fencing, methods = config.fencing, make_methods(config, launcher, peer, folder)
    book.configure(_settings(config), config.nodes)
    verify = Verify(fencing.verify.ports, fencing.verify.settle, fencing.verify.contradiction == "veto")

    def trial(name: str) -> Chain:
        return Chain({name: methods[name]}, [[name]], fencing.timeout, own, book, verify)

    needs_help = frozenset(name for name, method in fencing.methods.items() if method.kind in BLOCKING_KINDS)
    every_s = fencing.probe.every if fencing.probe is not None else None
    return FenceParts(
        chain=Chain(methods, fencing.levels, fencing.timeout, own, book, verify),
        trial=trial,
        terms=Terms(methods, fencing.levels, every_s, needs_help),
        timeout_s=fencing.timeout,
        probe_timeout_s=fencing.probe.timeout if fencing.probe is not None else 0.0,
        nodes=config.nodes,
    )


def make_fences(
    config: Config, identity: Identity, launcher: Launcher, peer: PeerAuth | None, folder: Path
) -> tuple[Fences, ProofBook]:
    """Everything about fencing, not wired to a controller yet."""
    book = make_book(config, folder, identity)
    parts = make_fence_parts(config, identity.node, launcher, peer, folder, book)
    return Fences(config.service, config.node, parts, book), book
