"""What is counted has a limit of its own, whatever happens: no list and no set of timers grows without end."""

from dataclasses import replace

from failover.core.limits import MOST_COUNTED, MOVES, count, has_moved, kind_of_move, take_back
from failover.core.move import Move
from failover.core.state import State
from failover.core.values import Breadcrumb, Control, Crumb, Settings, Switchover
from tests.core.words import identity, node

STATE = State(identity("db1"), Settings())


def after(name: str, epoch: int) -> State:
    """`name` was active last."""
    return replace(STATE, crumb=Crumb(Breadcrumb(node(name), epoch, ""), epoch))


def test_no_more_is_counted_than_any_limit_needs() -> None:
    move = Move(STATE)
    for _ in range(MOST_COUNTED + 5):
        count(move, MOVES)
    assert move.state.moves == MOST_COUNTED
    assert len(move.state.timers) == MOST_COUNTED
    take_back(move, "moves:7")
    assert move.state.moves == MOST_COUNTED - 1


def test_a_move_is_a_new_epoch_on_another_node() -> None:
    assert has_moved(after("db1", 7), after("db2", 8))
    assert not has_moved(after("db1", 7), after("db1", 8)), "restarted in place"
    assert not has_moved(after("db1", 7), after("db2", 7)), "an old record, read late"
    assert not has_moved(STATE, after("db2", 8)), "the first reading"


def test_a_move_that_was_ordered_is_told_from_a_failover() -> None:
    before, moved = after("db1", 7), after("db2", 8)
    assert kind_of_move(before, moved) == "failover"
    ordered = Control(1, switchover=Switchover("o1", "db1", "db2", 7))
    assert kind_of_move(replace(before, control=ordered), moved) == "switchover"
    drained = Control(1, drained=frozenset({"db1"}))
    assert kind_of_move(before, replace(moved, control=drained)) == "drain"
    assert kind_of_move(before, before) == ""
