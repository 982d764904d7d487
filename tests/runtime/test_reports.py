"""`blocked` tells an operator what no retry will mend: what happened, and what to do next (S11)."""

from dataclasses import replace

from failover.core.state import State
from failover.core.values import Breadcrumb, Control, Crumb, Identity, Lock, Node, Role, Settings
from failover.runtime.reports import blocked

ME = Identity(Node("db1", "machine-of-db1"), "boot")
OUT = State(ME, Settings(), Role.OUT, holder_known=True)
THEIRS = Crumb(Breadcrumb(Node("db2", "machine-of-db2"), 7, "boot"), 3)


def test_a_node_barred_by_its_follow_with_nobody_active_is_told_how_to_go_on() -> None:
    said = blocked(replace(OUT, follow_failed=True))
    assert "the last follow on db1 failed" in said
    assert "run there: failoverctl failover --to db1 --force" in said


def test_a_follow_that_failed_blocks_nobody_while_the_lock_is_held_or_unread() -> None:
    barred = replace(OUT, follow_failed=True)
    assert blocked(replace(barred, holder=Lock(9, "s2", "db2"))) == ""
    assert blocked(replace(barred, holder_known=False)) == ""


def test_nobody_is_told_to_force_a_node_that_is_never_a_candidate() -> None:
    assert blocked(replace(OUT, follow_failed=True, settings=Settings(candidate=False))) == ""


def test_a_control_record_that_cannot_be_read_blocks_every_promotion() -> None:
    unread = Control(error="/failover/db/control cannot be read: not JSON")
    said = blocked(replace(OUT, control=unread))
    assert said.startswith("/failover/db/control cannot be read: not JSON. ")
    assert "failoverctl format" in said
    assert blocked(replace(OUT, role=Role.ACTIVE, control=unread)) == "", "the active is as it should be"


def test_a_fence_that_failed_names_the_node_that_must_be_fenced() -> None:
    tried = replace(OUT, failures=1, cause="fencing db2 answered unknown: no power", crumb=THEIRS)
    assert "Nobody is promoted until db2 is fenced" in blocked(tried)
    assert "until the old active is fenced" in blocked(replace(tried, crumb=Crumb()))


def test_a_broken_breadcrumb_and_a_failed_demote_need_a_hand() -> None:
    broken = "the breadcrumb cannot be read, so nobody is promoted: not JSON"
    assert "failoverctl format" in blocked(replace(OUT, failures=1, cause=broken))
    undone = replace(OUT, failures=1, cause="demote answered unknown: time-out")
    assert "Stop the service on this node by hand" in blocked(undone)
    assert blocked(replace(undone, role=Role.STANDBY)) == ""


def test_nothing_blocks_a_controller_that_never_failed() -> None:
    assert blocked(OUT) == ""
