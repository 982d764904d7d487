"""What an active does about the operators' standing orders: drain and switchover.

Deliberately unknown here: which event brought the order, and who answers the operator.
"""

from __future__ import annotations

from failover.core.effects import EndSwitchover
from failover.core.move import Move
from failover.core.state import State, can_take_over, member_named
from failover.core.values import Role, Switchover


def obey(move: Move) -> bool:
    """Do what is ordered now; False: nothing moves for it, so whatever else there is to do counts."""
    state, order = move.state, move.state.control.switchover
    if state.paused:
        return False
    if state.drained:
        move.demote("drained: handing over")
    elif order is not None and order.epoch != state.epoch:
        detail = f"ordered under epoch {order.epoch}, the active's is {state.epoch}"
        move.do(EndSwitchover(order.id, "void", detail))
    elif order is not None and order.source != state.identity.node.name:
        detail = f"{order.source} is not the active: {state.identity.node.name} is"
        move.do(EndSwitchover(order.id, "failed", detail))
    elif order is not None:
        _switch_over(move, order)
    return move.state.role is Role.DEMOTING


def _switch_over(move: Move, order: Switchover) -> None:
    """The pre-flight check once more, by the one who would stop: somebody must be able to take over."""
    missing = _missing(move.state, order.target)
    if missing:
        move.do(EndSwitchover(order.id, "failed", missing))
        move.why = f"switchover refused: {missing}"
    else:
        to = order.target or "the best candidate"
        move.demote(f"switchover to {to}, ordered by {order.by or 'an operator'}: {order.reason}")


def _missing(state: State, target: str | None) -> str:
    """Who ought to take over and cannot; "" if there is somebody."""
    if target is None:
        able = any(can_take_over(state, member) for member in state.members)
        return "" if able else "there is no healthy standby"
    member = member_named(state, target)
    able = member is not None and can_take_over(state, member)
    return "" if able else f"{target} is not a healthy standby"


def end_switchover(move: Move) -> bool:
    """The new active closes the record of the switchover that brought it, or says what came instead."""
    order = move.state.control.switchover
    if order is None or order.epoch >= move.state.epoch:
        return False
    me = move.state.identity.node.name
    if me == order.source:
        outcome, detail = "failed", f"nobody else took over; {me} is active again"
    elif order.target in (None, me):
        outcome, detail = "done", f"{me} is active"
    else:
        outcome, detail = "failed", f"{order.target} did not take over; {me} did"
    move.do(EndSwitchover(order.id, outcome, detail))
    return True
