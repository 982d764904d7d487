"""How often the service may move away from a live active, and be restarted in place (`limits.*`).

What is counted is forgotten when `limits.within` has passed. Each controller counts what it has seen itself: a
restarted one begins at nothing. Deliberately unknown here: what is done about it.
"""

from __future__ import annotations

from failover.core.move import Move
from failover.core.state import State, alone
from failover.core.values import Health

MOVES = "moves"
RESTARTS = "restarts"
FAILOVER, SWITCHOVER, DRAIN = "failover", "switchover", "drain"
MOST_COUNTED = 50  # `limits.failovers` above it is no brake; more `limits.restarts` are not allowed


def count(move: Move, what: str) -> None:
    """One more of `what`; a timer of its own takes it back."""
    timer = next((name for name in _timers(what) if name not in move.state.timers), None)
    if timer is not None:
        move.set(**{what: getattr(move.state, what) + 1})
        move.set_timer(timer, move.state.settings.within_s)


def take_back(move: Move, timer: str) -> None:
    """That timer has run down: if it was a count's, one is forgotten."""
    what, _, number = timer.partition(":")
    if number:
        move.set(**{what: getattr(move.state, what) - 1})


def _timers(what: str) -> list[str]:
    return [f"{what}:{number}" for number in range(MOST_COUNTED)]


def has_moved(before: State, after: State) -> bool:
    """Whether another node than before was active last, and no operator had ordered that."""
    return kind_of_move(before, after) == FAILOVER


def kind_of_move(before: State, after: State) -> str:
    """How it came that another node than before was active last; "" if none was."""
    old, new = before.crumb.record, after.crumb.record
    if old is None or new is None or old.node == new.node or new.epoch <= old.epoch:
        return ""
    orders = [control.switchover for control in (before.control, after.control)]
    orders += [ended.order for ended in after.control.ended]
    if any(order is not None and order.epoch == old.epoch for order in orders):
        return SWITCHOVER
    return DRAIN if old.node.name in after.control.drained else FAILOVER


def braked(state: State) -> bool:
    """One move more would be more than `limits.failovers` within `limits.within`."""
    return state.moves >= state.settings.failovers


def may_restart(state: State) -> bool:
    """Whether an ill active's service may be restarted before anything moves.

    With nobody to take over it is restarted at once where it does not serve at all; after that, pauses grow (S5).
    """
    if state.restarts < state.settings.restarts:
        return True
    return alone(state) and state.failures == 0 and state.health is Health.NOT_RESPONDING


def stays_ill(state: State) -> str:
    """Why an ill active, whose process lives, stays where it is; "" if it moves."""
    if state.gone:
        return ""
    if alone(state) and state.health is Health.UNHEALTHY:
        return "nobody else could take over"
    if braked(state):
        limit, within_s = state.settings.failovers, state.settings.within_s
        return f"the flap brake is on: {state.moves} failover(s) within {within_s:g} s (limits.failovers: {limit})"
    return ""
