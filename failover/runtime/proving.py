"""Proves on a schedule, while all is well, that each peer could be fenced: one probe at a time, in the background.

It gives way to everything: a chain that starts ends a running probe, and nothing is probed in a campaign. A device
that says OFF for a peer is believed to lie only when the peer's session outlives that answer: a host that has just
lost its power has a session, too, for a while. Knows no fencing package: methods and book come from outside.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from failover.core.state import State
from failover.core.values import Member, Node, Role, Verdict
from failover.ports.fences import Known, Proofs
from failover.ports.service import FenceMethod, Proof, Strike
from failover.runtime.provable import FAILING_AFTER, Terms

FIRST_S = 2.0
"""After a peer has appeared: soon, but not in the middle of its start."""
JITTER = 0.2
LOOK_S = 5.0
"""How long to wait at most until the next look at the peers, and while this node is busy."""
GRACE_S = 2.0
AGAIN_S = 60.0
"""After a device in quarantine was asked: whether it says ON by now."""
GIVE_WAY_S = 0.5
"""How long a chain waits for a probe to end; it has been told to."""
BUSY = (Role.STARTING, Role.CAMPAIGNING, Role.FENCING, Role.CLAIMING, Role.PROMOTING, Role.DEMOTING)

log = logging.getLogger("failoverd")

Key = tuple[Node, str]


class Prober:
    """One prober of one controller. `strike_for` makes what a method is told of a member.

    `heard` is called after each probe. `lengthen(delay, share)` adds a random share of up to that much.
    """

    def __init__(
        self,
        book: Proofs,
        state: Callable[[], State],
        strike_for: Callable[[Member], Strike],
        now_s: Callable[[], float],
        lengthen: Callable[[float, float], float],
        heard: Callable[[], None],
    ) -> None:
        self._book = book
        self._state = state
        self._strike_for = strike_for
        self._now_s = now_s
        self._lengthen = lengthen
        self._heard = heard
        self._terms = Terms({}, ())
        self._timeout_s = 0.0
        self._due: dict[Key, float] = {}
        self._suspects: dict[Key, tuple[str, float]] = {}
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._running: asyncio.Task[Proof] | None = None
        self._holds = 0

    def configure(self, terms: Terms, timeout_s: float) -> None:
        """What is probed from now on; after a reload everything is due soon."""
        self._terms, self._timeout_s = terms, timeout_s
        self._due.clear()
        self._woken.set()

    def wake(self) -> None:
        """The members, or this node's role, have changed."""
        self._woken.set()

    async def give_way(self) -> None:
        """End a running probe and start none until `go_on`: somebody is about to strike."""
        self._holds += 1
        running = self._running
        if running is not None and not running.done():
            running.cancel()
            await asyncio.wait([running], timeout=GIVE_WAY_S)

    def go_on(self) -> None:
        """The strike is over."""
        self._holds -= 1
        self._woken.set()

    async def run(self) -> None:
        """For ever: cancel it to end it."""
        while True:
            wait_s = await self.look()
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def look(self) -> float:
        """Probe what is due first, if anything is. Gives the seconds until the next look."""
        every_s, state = self._terms.every_s, self._state()
        if every_s is None or not state.settings.candidate or self._busy():
            return LOOK_S
        peers = self.peers()
        now_s = self._now_s()
        wanted = {(peer.node, name): peer for peer in peers for name in self._askable()}
        self._due = {key: due_s for key, due_s in self._due.items() if key in wanted}
        self._suspects = {key: told for key, told in self._suspects.items() if key in wanted}
        for key in wanted:
            if key not in self._due:
                self._due[key] = now_s + self._lengthen(FIRST_S, 1.0)
        if not self._due:
            return LOOK_S
        key, due_s = min(self._due.items(), key=lambda item: item[1])
        if due_s > now_s:
            return min(LOOK_S, due_s - now_s)
        self._due[key] = now_s + self._lengthen(every_s, JITTER)
        await self._probe(wanted[key], self._terms.methods[key[1]])
        return 0.0

    def peers(self) -> list[Member]:
        """The other nodes' living members."""
        state = self._state()
        if not state.connected:
            return []
        own = state.identity.node
        return [member for member in state.members if member.node.name != own.name and member.session]

    async def probe_now(self, peer: Member, names: Sequence[str]) -> tuple[Known, ...]:
        """By an operator's order: each of these methods, one after the other; what was called off is left out."""
        asked = [name for name in names if await self._probe(peer, self._terms.methods[name])]
        return tuple(self._book.of(peer.node, name) for name in asked)

    def _busy(self) -> bool:
        return self._holds > 0 or self._state().role in BUSY

    def _askable(self) -> list[str]:
        named = dict.fromkeys(name for level in self._terms.levels for name in level)
        return [name for name in named if self._terms.methods[name].traits.askable]

    async def _probe(self, peer: Member, method: FenceMethod) -> bool:
        """Whether an answer was taken note of."""
        async with self._turn:
            if self._busy():
                return False
            self._running = asyncio.get_running_loop().create_task(self._ask(method, self._strike_for(peer)))
            try:
                await asyncio.wait([self._running])
            finally:
                running, self._running = self._running, None
                if not running.done():
                    running.cancel()
                    await asyncio.wait([running])
            if running.cancelled():
                self._due[peer.node, method.name] = self._now_s() + LOOK_S
                return False
            if not self._still_there(peer):
                return False  # what it said may be of a node that was just going
            self._take(peer, method.name, running.result())
        self._heard()
        return True

    async def _ask(self, method: FenceMethod, strike: Strike) -> Proof:
        limit_s = min(self._timeout_s, method.timeout_s) if self._timeout_s else method.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await method.probe(strike)
        except TimeoutError:
            return Proof(Verdict.UNKNOWN, f"the probe did not end in {limit_s:g} s")

    def _still_there(self, peer: Member) -> bool:
        return any(one.node == peer.node and one.session == peer.session for one in self.peers())

    def _take(self, peer: Member, name: str, proof: Proof) -> None:
        before = self._book.of(peer.node, name)
        if proof.lies:
            proof = self._doubt(peer, name, proof)
        else:
            self._suspects.pop((peer.node, name), None)
        self._book.probed(peer.node, name, proof)
        after = self._book.of(peer.node, name)
        if (
            after.quarantine and (peer.node, name) in self._due
        ):  # its peer may be lost soon, and it is not used till then
            self._due[peer.node, name] = min(self._due[peer.node, name], self._now_s() + AGAIN_S)
        self._tell(peer.node.name, before, after)

    def _doubt(self, peer: Member, name: str, proof: Proof) -> Proof:
        """Only a session that outlives the word OFF proves that the word was wrong."""
        key, now_s = (peer.node, name), self._now_s()
        session, since_s = self._suspects.setdefault(key, (peer.session, now_s))
        if session != peer.session:
            session, since_s = self._suspects[key] = (peer.session, now_s)
        known = self._state().session
        grace_s = 2 * (known.timeout_s if known is not None else 0.0) + GRACE_S
        left_s = since_s + grace_s - now_s
        if left_s <= 0:
            return proof
        self._due[key] = now_s + left_s
        words = f"{proof.detail}; asked again in {left_s:.0f} s, before it counts as wrong"
        return replace(proof, lies=False, detail=words)

    def _tell(self, node: str, before: Known, after: Known) -> None:
        """Once each: a device that lies, one that fails, one that is well again."""
        if after.quarantine and not before.quarantine:
            log.error("%s", after.quarantine)
        elif before.quarantine and not after.quarantine:
            log.warning("probe: %s says ON for %s: it is used again", after.method, node)
        elif after.failures == FAILING_AFTER:
            log.error("probe: %s could not fence %s now: %s", after.method, node, after.detail)
        elif after.failures == 1:
            log.warning("probe: %s could not fence %s now: %s", after.method, node, after.detail)
        elif before.failures and not after.failures:
            log.info("probe: %s could fence %s again", after.method, node)
