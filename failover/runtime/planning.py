"""What fencing a node would be: order, resolved parameters, deadlines, doubts, and who else would go down.

Touches nothing: it asks methods for their plan and the store for its other services.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from failover.core.state import State
from failover.core.values import Breadcrumb, Node
from failover.ports.controller import OrderRefused
from failover.ports.fence_plans import Casualty, Plan, PlannedLevel, PlannedMethod
from failover.ports.fences import Proofs
from failover.ports.service import Strike
from failover.ports.store import Neighbour
from failover.runtime.fence_checks import find_member, said_now
from failover.runtime.provable import Terms, level_bar

METHOD_GRACE_S = 0.25
"""As `config.timing` has it; a test holds them equal."""


def target_of(state: State, node: str, nodes: Mapping[str, Mapping[str, str]]) -> tuple[Breadcrumb, str]:
    """Whom a fence of `node` would strike, and how that is known. Raises OrderRefused 404 (or 409 for oneself)."""
    record, own = state.crumb.record, state.identity.node
    if record is not None and record.node.name == node and record.node != own:
        return record, "the breadcrumb"
    if node == own.name:
        raise OrderRefused("target", f"{node} is the node that was asked: a node never fences itself; ask a peer")
    member = find_member(state, node)
    if member is not None:
        facts = nodes.get(node, {})
        return Breadcrumb(member.node, member.epoch, member.boot_id, member.address, facts=facts), "its member record"
    if node in nodes:
        return Breadcrumb(Node(node, ""), 0, "", "", facts=nodes[node]), "the configuration only"
    known = ", ".join(sorted({*nodes, *(one.node.name for one in state.members)})) or "none"
    raise OrderRefused("target", f"nothing is known of {node}; known are: {known}", 404)


def plan_of(
    state: State,
    strike: Strike,
    source: str,
    terms: Terms,
    timeout_s: float,
    book: Proofs,
    neighbours: tuple[Neighbour, ...] | None,
) -> Plan:
    """The whole plan; pure but for what the methods' own `plan` looks up."""
    target = strike.target
    known_off = book.off_since(target)
    levels = tuple(_level(number, level, strike, terms, book) for number, level in enumerate(terms.levels, 1))
    total_s = sum(method.worst_s for level in levels for method in level.methods)
    casualties = None if neighbours is None else casualties_of(target.node, neighbours)
    now = said_now(state, target, known_off)
    return Plan(target, source, now, known_off, levels, min(total_s, timeout_s), timeout_s, casualties)


def _level(number: int, names: Sequence[str], strike: Strike, terms: Terms, book: Proofs) -> PlannedLevel:
    methods = []
    for name in names:
        method = terms.methods[name]
        known = book.of(strike.target.node, name)
        attempts = method.traits.attempts
        worst_s = attempts * (method.timeout_s + METHOD_GRACE_S)
        lines = tuple(method.plan(strike))
        methods.append(
            PlannedMethod(name, attempts, method.timeout_s, worst_s, lines, method.traits, known, known.quarantine)
        )
    return PlannedLevel(number, tuple(methods), level_bar(terms, names, strike.target.node, book.of))


def casualties_of(target: Node, neighbours: Sequence[Neighbour]) -> tuple[Casualty, ...]:
    """Other services whose active runs on this very machine, by machine-id: a name may differ from one to the next."""
    found = []
    for one in neighbours:
        record = one.crumb.record
        if record is None or record.clean or one.holder is None or not target.machine_id:
            continue
        if record.node.machine_id == target.machine_id and one.holder.node == record.node.name:
            found.append(Casualty(one.service, record.node.name, record.epoch))
    return tuple(found)
