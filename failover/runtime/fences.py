"""Fencing around the chain: proofs before it is needed, what is given back after it, and what operators may ask.

What only operators ask for is imported when they do. The edge runs the chain through here, so that whatever else is
under way gives way to it. Implements `ports.fences.FenceDesk` for the API. Knows no fencing package, and decides
nothing of who may be promoted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from failover.core.events import Event, ProofsChanged
from failover.core.state import State
from failover.core.values import Breadcrumb, Confirmation, Member, Role, Verdict
from failover.ports.controller import Operation, OrderRefused
from failover.ports.fences import FenceReport, FenceSight, Known, MethodTold, Proofs, Restoring, Struck
from failover.ports.service import Prove, Result, Strike
from failover.ports.store import Neighbour, Store, View
from failover.runtime.orders import Orders
from failover.runtime.provable import Terms, is_stale, is_usable, proven_at
from failover.runtime.proving import Prober
from failover.runtime.reports import wall_time
from failover.runtime.restoring import Restorer

if TYPE_CHECKING:
    from failover.ports.fence_plans import Plan, TrialAsked
    from failover.runtime.trials import TrialFor, Trials

STORE_LIMIT_S = 3.0
SIGHT_KEPT_S = 1.0
HISTORY_AFTER_S = 1.0
OWED_S = 900.0
"""How long after a strike what it took is given back without asking anybody."""
IN_A_HURRY = (Role.FENCING, Role.CLAIMING, Role.PROMOTING)

log = logging.getLogger("failoverd")


class ReportingChain(Protocol):
    """The fencing chain, which remembers how its last run ended."""

    @property
    def last(self) -> FenceReport | None: ...
    async def run(self, strike: Strike, prove: Prove) -> Result: ...


@dataclass(frozen=True, slots=True)
class FenceParts:
    """The chain as it is configured. `trial`: a chain of that one method. `timeout_s`: the whole chain's."""

    chain: ReportingChain
    trial: TrialFor
    terms: Terms
    timeout_s: float
    probe_timeout_s: float
    nodes: Mapping[str, Mapping[str, str]]


class Fences:
    """Made before the controller, wired to it, and steered by it. All of it on the loop's thread.

    `prober.run()` is for the controller to start.
    """

    def __init__(self, service: str, node: str, parts: FenceParts, book: Proofs) -> None:
        self._names = (service, node)
        self._parts = parts
        self._book = book
        self._state: Callable[[], State]
        self._post: Callable[[Event], None]
        self._orders: Orders
        self._store: Store
        self._now_s: Callable[[], float]
        self._fenceable: dict[str, str] = {}
        self._owed: dict[str, tuple[Strike, tuple[str, ...], float]] = {}
        self._prove: Prove
        self._told_last: tuple[object, ...] = ()
        self._sight: FenceSight = FenceSight()
        self._sight_s: float | None = None
        self.history_after_s = HISTORY_AFTER_S
        self.prober: Prober
        self.restorer = Restorer(wall_time, self._restored)
        self.trials: Trials | None = None

    def wire(
        self,
        state: Callable[[], State],
        post: Callable[[Event], None],
        orders: Orders,
        store: Store,
        now_s: Callable[[], float],
        lengthen: Callable[[float, float], float],
    ) -> None:
        """Say who is around: called once, before anything else."""
        self._state, self._post, self._orders, self._store, self._now_s = state, post, orders, store, now_s
        self.prober = Prober(self._book, state, self._strike_for, now_s, lengthen, self._proofs_heard)
        self.prober.configure(self._parts.terms, self._parts.probe_timeout_s)

    def reconfigure(self, parts: FenceParts) -> None:
        """A reload. What runs keeps the old settings to its end."""
        self._parts = parts
        self._sight_s = None
        self.prober.configure(parts.terms, parts.probe_timeout_s)

    async def close(self) -> None:
        """End what still runs."""
        if self.trials is not None:
            await self.trials.close()
        await self.restorer.close()

    # --- around the chain -----------------------------------------------------------------------

    async def run(self, strike: Strike, prove: Prove) -> Result:
        """The chain, with nothing else beside it."""
        if self.trials is not None:
            self.trials.end_strike()
        chain = self._parts.chain
        try:
            await self.prober.give_way()  # called off in the middle of it, it must go on all the same
            self._book.striking(strike.target)
            result = await chain.run(strike, prove)
            self._prove = prove
            self._owe(strike, chain.last)
            self._tell_run(chain.last)
            return result
        finally:
            self._book.strike_over()
            self.prober.go_on()

    def _tell_run(self, report: FenceReport | None) -> None:
        """Into the history, unless it is the same as last time: a blocked fence must not push all else out of it."""
        if report is None:
            return
        told = (report.target.node, report.verdict, report.level, report.detail)
        if told == self._told_last:
            return
        self._told_last = told
        by = f" by {' and '.join(report.methods)}" if report.methods else ""
        words = f"fence of {report.target.node.name}: {report.verdict}{by} ({report.detail})"
        extra = {
            "node": report.target.node.name,
            "machine_id": report.target.node.machine_id,
            "verdict": report.verdict.value,
            "level": report.level,
            "methods": list(report.methods),
        }
        self._tell("FenceEnded", report.target.node.name, words, extra)

    def observe(self, before: State, after: State) -> None:
        """A step was made: give back once active (never before), and see who has come back."""
        if after.members is not before.members:
            known = {(member.node, member.session) for member in before.members}
            for member in after.members:
                if (member.node, member.session) not in known:  # a record may outlive its node for a while
                    self._book.seen(member.node, member.boot_id)
            self.prober.wake()
        if after.role is before.role:
            return
        self.prober.wake()
        if after.role is Role.ACTIVE:
            self._give_back()
        elif before.role is Role.ACTIVE:
            self.restorer.call_off(f"{self._names[1]} is not active any more: whoever is, gives back")

    def _owe(self, strike: Strike, report: FenceReport | None) -> None:
        """What a level has taken is owed until it is given back, also over a promote that fails and is tried again."""
        if report is not None and report.verdict is Verdict.DONE and report.methods:
            self._owed[strike.target.node.name] = (strike, report.methods, self._now_s())

    def _give_back(self) -> None:
        """Not to one who has come back by itself; nor after a long time: somebody may have his hands in that host."""
        gone, now_s = {one.node for one in self._book.fenced()}, self._now_s()
        for name, (strike, named, since_s) in list(self._owed.items()):
            if strike.target.node not in gone or now_s - since_s > OWED_S:
                del self._owed[name]
                continue
            methods = self._parts.terms.methods
            self.restorer.begin(strike, [methods[one] for one in named if one in methods], self._prove)

    def _restored(self, one: Restoring) -> None:
        self._sight_s = None
        if one.node in self._owed:
            strike, named, since_s = self._owed.pop(one.node)
            left = tuple(name for name in named if name != one.method)
            if left:
                self._owed[one.node] = (strike, left, since_s)
        words = f"restore of {one.node} by {one.method}: {one.state.replace('_', ' ')}"
        extra = {"node": one.node, "method": one.method, "state": one.state, "tries": one.tries}
        self._tell("FenceRestored", one.node, words + (f" ({one.detail})" if one.detail else ""), extra)

    def _tell(self, event: str, node: str, why: str, extra: dict[str, Any]) -> None:
        """Log it, and write it into the service's history."""
        self._sight_s = None
        state = self._state()
        log.info("%s: %s", event, why)
        entry = {
            "at": wall_time(),
            "node": self._names[1],
            "event": event,
            "from": state.role.value,
            "to": state.role.value,
            "epoch": state.epoch,
            "attempt": state.attempt,
            "why": why,
            "fence": {**extra, "node": node},
        }
        if state.role in IN_A_HURRY:  # a failover does not wait behind its own history
            asyncio.get_running_loop().call_later(self.history_after_s, self._store.append_history, [entry])
        else:
            self._store.append_history([entry])

    # --- proofs ---------------------------------------------------------------------------------

    def _strike_for(self, member: Member, reason: str = "probe", epoch: int = 0) -> Strike:
        service, own = self._names
        facts = self._parts.nodes.get(member.node.name, {})
        target = Breadcrumb(member.node, member.epoch, member.boot_id, member.address, facts=facts)
        return Strike(service, own, target, epoch, 0, reason)

    def _proofs_heard(self) -> None:
        """Publish whom this node could fence, when that has changed."""
        self._sight_s = None
        fenceable = self._proven()
        if fenceable != self._fenceable:
            self._fenceable = fenceable
            self._post(ProofsChanged(fenceable))

    def _proven(self) -> dict[str, str]:
        """Also of a peer that has just gone: it is the one that must be fenced now. Proofs grow old by themselves."""
        terms, now_s, found = self._parts.terms, self._now_s(), dict[str, str]()
        living = {peer.node.name: peer.node for peer in self.prober.peers()}
        for node in {one.node for one in self._book.known()}:
            at = proven_at(terms, node, self._book.of, now_s)
            if at and living.get(node.name, node) == node:
                found[node.name] = max(at, found.get(node.name, ""))
        return dict(sorted(found.items()))

    def refresh(self) -> None:
        """Proofs grow old by themselves."""
        if self._sight_s is None or self._now_s() - self._sight_s >= SIGHT_KEPT_S:
            self._proofs_heard()

    # --- FenceDesk: reading ---------------------------------------------------------------------

    def sight(self) -> FenceSight:
        now_s = self._now_s()
        if self._sight_s is None or now_s - self._sight_s >= SIGHT_KEPT_S:
            self._sight, self._sight_s = self._look(now_s), now_s
        return self._sight

    def _look(self, now_s: float) -> FenceSight:
        terms, peers, look = self._parts.terms, self.prober.peers(), self._book.of
        named = dict.fromkeys(name for level in terms.levels for name in level)
        methods = (terms.methods[name] for name in named)
        return FenceSight(
            levels=tuple(tuple(level) for level in terms.levels),
            methods=tuple(MethodTold(method.name, method.timeout_s, method.traits) for method in methods),
            every_s=terms.every_s,
            known=self._book.known(),
            fenceable=tuple(self._fenceable),
            unusable=tuple(peer.node.name for peer in peers if not is_usable(terms, peer.node, look)),
            stale=tuple(peer.node.name for peer in peers if is_stale(terms, peer.node, look, now_s)),
            needs_help=tuple(sorted(terms.needs_help)),
            fenced=tuple(one for one in self._book.fenced() if not self._is_retired(one.node.name)),
            restores=self.restorer.restores(),
            struck=self._book.struck_often(),
        )

    def _is_retired(self, name: str) -> bool:
        """The configuration names this node and not that one. Where it names not even this one, it is not complete."""
        nodes = self._parts.nodes
        return name not in nodes and self._names[1] in nodes

    def strikes(self) -> tuple[Struck, ...]:
        return self._book.strikes()

    async def plan(self, node: str) -> Plan:
        from failover.runtime.planning import plan_of, target_of

        parts, state = self._parts, await self._looked() or self._state()
        target, source = target_of(state, node, parts.nodes)
        service, own = self._names
        strike = Strike(service, own, target, max(state.epoch, target.epoch) + 1, 0, "plan")
        neighbours: tuple[Neighbour, ...] | None = await self._answer(self._store.read_neighbours)
        # In a thread: a method may have to ask an agent that was upgraded for its metadata, and files are read.
        return await asyncio.to_thread(
            plan_of, state, strike, source, parts.terms, parts.timeout_s, self._book, neighbours
        )

    async def _looked(self) -> State | None:
        """The state with what the store says now: a standby knows the breadcrumb only as it was when it saw it last."""
        view: View | None = await self._answer(self._store.read_view)
        if view is None:
            return None
        told = {"crumb": view.crumb, "members": view.members, "holder": view.holder, "control": view.control}
        return replace(self._state(), **told)  # type: ignore[arg-type]

    async def _looked_now(self) -> State:
        """Raises OrderRefused where the store does not say."""
        state = await self._looked()
        if state is None:
            raise OrderRefused("store", "the store does not answer: what the breadcrumb says is not known", 503)
        return state

    async def _answer(self, ask: Callable[[Callable[[Any], None]], None]) -> Any:
        """What the store answers; None where it does not within STORE_LIMIT_S."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def heard(found: Any) -> None:
            if not answered.done():
                answered.set_result(found)

        ask(lambda found: _hand_on(loop, heard, found))
        try:
            return await asyncio.wait_for(answered, STORE_LIMIT_S)
        except TimeoutError:
            return None

    def operation(self, id: str) -> Operation | None:  # noqa: A002 - the API's own word
        return self.trials.operation(id) if self.trials is not None else None

    # --- FenceDesk: orders ----------------------------------------------------------------------

    async def probe(self, node: str, method: str | None, by: str) -> tuple[Known, ...]:
        from failover.runtime.fence_checks import living

        peer, methods = living(self._state(), node), self._parts.terms.methods
        if method is not None and method not in methods:
            raise _no_method(method, methods)
        named = [method] if method is not None else self._named()
        askable = [name for name in named if methods[name].traits.askable]
        if not askable:
            words = f"{' and '.join(named)} cannot be probed: only as good as the operator's word"
            raise OrderRefused("method", words)
        log.info("probe of %s by %s", node, by)
        found = await self.prober.probe_now(peer, askable)
        if not found:
            words = f"{node} could not be probed now: it has gone, or this node is in the middle of a campaign"
            raise OrderRefused("busy", f"{words}; try again", 503)
        return found

    def _named(self) -> Sequence[str]:
        return list(dict.fromkeys(name for level in self._parts.terms.levels for name in level))

    async def test(self, ask: TrialAsked) -> Operation:
        from failover.runtime.fence_checks import living
        from failover.runtime.trials import Trials

        state, methods = self._state(), self._parts.terms.methods
        member = living(state, ask.node)
        name = ask.method or next((name for name in self._named() if methods[name].traits.restores), None)
        if name is None:
            words = "no method of the chain can give back what it takes; name one with --method"
            raise OrderRefused("method", f"{words}, and start {ask.node} yourself afterwards")
        if name not in methods:
            raise _no_method(name, methods)
        record = state.crumb.record
        epoch = max(state.epoch, record.epoch if record is not None else 0)
        strike = self._strike_for(member, f"live test: {ask.reason}", epoch)
        if self.trials is None:
            self.trials = Trials(self._state, self._book, self.restorer, self.prober, self._tell)
        return self.trials.begin(ask, methods[name], strike, self._parts.trial(name))

    async def confirm(self, node: str, reason: str, override: bool, by: str) -> Confirmation:
        from failover.runtime.confirming import confirmation_of

        word = await confirmation_of(self._looked_now, node, reason, override, by)
        log.warning("%s confirms that %s (machine %s) is off: %s", by, node, word.node.machine_id, reason)
        await self._orders.confirm(word)
        extra = {"machine_id": word.node.machine_id, "version": word.version, "override": override}
        self._tell("FenceConfirmed", node, f"{by} confirmed that {node} is off: {reason}", extra)
        return word


def _no_method(name: str, methods: Mapping[str, object]) -> OrderRefused:
    return OrderRefused("method", f"no method is called {name}; there are: {', '.join(sorted(methods))}", 404)


def _hand_on(loop: asyncio.AbstractEventLoop, heard: Callable[[Any], None], found: Any) -> None:
    loop.call_soon_threadsafe(heard, found)
