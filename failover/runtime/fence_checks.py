"""What must be true before an operator's fencing order is carried out, and what S1 says of a node now. Pure.

Raises OrderRefused with the check that failed. Strikes nothing, asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection

from failover.core.state import State, can_take_over, proven_ended
from failover.core.values import Breadcrumb, Member, Node, Role
from failover.ports.controller import OrderRefused
from failover.ports.fence_plans import TrialAsked
from failover.runtime.orders import find_active, is_void

QUIET = (Role.ACTIVE, Role.STANDBY, Role.OUT)


def find_member(state: State, node: str) -> Member | None:
    """The living member of that name."""
    return next((member for member in state.members if member.node.name == node), None)


def living(state: State, node: str) -> Member:
    """The living peer of that name. Raises OrderRefused 404."""
    _needs_store(state)
    if node == state.identity.node.name:
        raise OrderRefused("target", f"{node} is the node that was asked: a node never fences itself; ask a peer")
    member = find_member(state, node)
    if member is None:
        known = ", ".join(sorted(one.node.name for one in state.members)) or "none"
        raise OrderRefused("target", f"no live member is called {node}; live are: {known}", 404)
    return member


def _needs_store(state: State) -> None:
    if not state.connected:
        raise OrderRefused("store", "the store does not answer: who lives is not known here", 503)
    if state.control.error:
        raise OrderRefused("control", f"the control record cannot be read: {state.control.error}", 503)


def check_test(state: State, ask: TrialAsked, gone: Collection[Node] = ()) -> Member:
    """May that node be struck for a trial? Only a living standby that nobody needs. Gives its member record.

    `gone`: who was fenced and has not come back; their records may outlive them for a while.
    """
    member = living(state, ask.node)
    if member.node in gone:
        raise OrderRefused("gone", f"{ask.node} was struck already, and has not come back yet")
    if state.role not in QUIET:
        raise OrderRefused("role", f"{state.identity.node.name} is {state.role.value}: no test in the middle of it")
    active = find_active(state)
    order = state.control.switchover
    if order is not None and not is_void(order, active):
        raise OrderRefused("switchover", f"switchover {order.id} is under way")
    holder = state.holder
    if holder is not None and (holder.session == member.session or holder.node == ask.node):
        raise OrderRefused("lock", f"{ask.node} holds the lock: only a standby is struck for a test")
    if member.role is not Role.STANDBY:
        raise OrderRefused("role", f"{ask.node} is {member.role.value}, not standby: {member.why}")
    record = state.crumb.record
    if record is not None and record.node == member.node and not record.clean:
        raise OrderRefused("breadcrumb", f"{ask.node} was active last and is not clean: it may be needed")
    if active is None and not ask.force:
        words = f"nobody is active: {ask.node} may be needed at any moment; force overrides"
        raise OrderRefused("active", words)
    if not _others(state, member, gone) and not ask.force:
        words = f"{ask.node} is the only standby that could take over: without it nothing can; force overrides"
        raise OrderRefused("only-standby", words)
    return member


def _others(state: State, member: Member, gone: Collection[Node]) -> list[Member]:
    barred = {member.node, *gone}
    return [one for one in state.members if one.node not in barred and can_take_over(state, one)]


def check_confirm(state: State, node: str, override: bool) -> Breadcrumb:
    """May an operator say that this node is off? Only the breadcrumb's, and only if no record of it lives."""
    _needs_store(state)
    crumb = state.crumb
    if crumb.error:
        raise OrderRefused("breadcrumb", f"the breadcrumb cannot be read: {crumb.error}", 503)
    record = crumb.record
    if record is None:
        raise OrderRefused("breadcrumb", "there is no breadcrumb: nobody was active, so nobody has to be fenced")
    if record.node.name != node:
        words = f"the breadcrumb names {record.node.name}, not {node}: only {record.node.name} can be confirmed"
        raise OrderRefused("breadcrumb", words)
    if record.clean:
        raise OrderRefused("breadcrumb", f"{node} stepped down cleanly: nothing waits for it to be fenced")
    if record.node == state.identity.node:
        raise OrderRefused("target", f"{node} is the node that was asked: it lives")
    member = find_member(state, node)
    lives = member if member is not None and member.node == record.node else None
    if lives is not None and not override:
        words = f"{node} lives: it has a member record in the store ({lives.role.value}: {lives.why})"
        raise OrderRefused("alive", f"{words}; if that is wrong: --override-evidence")
    if lives is not None and state.holder is not None and state.holder.session == lives.session:
        # Kept, the word would stand in for a fence when this node is lost one day.
        raise OrderRefused("lock", f"{node} holds the lock: nobody waits for it to be fenced")
    return record


def said_now(state: State, target: Breadcrumb, known_off: str) -> str:
    """What S1 says at this moment of the node that a plan is made for."""
    record, name = state.crumb.record, target.node.name
    if state.crumb.error:
        return f"the breadcrumb cannot be read, so nobody is promoted: {state.crumb.error}"
    if record is None:
        return "nobody was active before: nobody has to be fenced"
    if record.node != target.node:
        other = "another machine" if record.node.name == name else record.node.name
        return f"{other} was active last, not {name}: {name} is not fenced (S7)"
    if record.clean:
        return f"{name} stepped down cleanly: nothing has to be fenced"
    if proven_ended(state, record):
        return f"{name} has rebooted since and made its service standby: nothing has to be fenced"
    if known_off:
        return f"no strike is needed: {known_off}"
    active = find_active(state)
    if active is not None and active.node == target.node:
        return f"{name} is active: were it lost, it would be fenced before anybody is promoted"
    return f"{name} was active last (epoch {record.epoch}) and is not clean: it is fenced before anybody is promoted"
