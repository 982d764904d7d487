"""status, why, history as an operator sees them."""

from failover.core.values import Control, Health, Pause, Role
from tests.api.fakes import DB1, DB2, InMemoryController, active_snapshot, member, standby_snapshot
from tests.cli.conftest import Run


def test_status_shows_the_service_its_nodes_and_the_lock(ctl: Run, controller: InMemoryController) -> None:
    members = (member(DB1, Role.ACTIVE, position=100), member(DB2, position=97, why="follows db1"))
    controller.shown = active_snapshot(members=members, control=Control(1, Pause("dora", "upgrade", "noon")))
    ran = ctl("status")
    assert ran.code == 0
    assert "db1 is active under epoch 7 since 2024-05-01T03:00:00Z" in ran.out
    assert "proven, last renewal 0.5 s ago" in ran.out
    assert "PAUSED" in ran.out
    assert "upgrade" in ran.out
    (row,) = [line for line in ran.out.splitlines() if line.startswith("db2")]
    assert row.split() == ["db2", "standby", "healthy", "3", "follows", "db1"]


def test_status_says_what_is_wrong_and_what_to_do(ctl: Run, controller: InMemoryController) -> None:
    ill = member(DB2, Role.OUT, health=Health.NOT_RESPONDING)
    controller.shown = standby_snapshot(holder=None, members=(ill,), blocked="fence db1 by hand", standby_stopped=False)
    ran = ctl("status")
    assert ran.code == 0
    assert "NOBODY IS ACTIVE" in ran.out
    assert "! blocked: fence db1 by hand" in ran.out
    assert "not responding" in ran.out
    assert "next:" in ran.out


def test_status_for_programs_holds_both_views(ctl: Run) -> None:
    ran = ctl("status", "--json")
    assert ran.code == 0
    assert ran.told["cluster"]["active"]["node"] == "db1"
    assert ran.told["status"]["role"] == "active"
    assert ran.err == ""


def test_a_stale_controller_is_said_to_be_and_nothing_else_is_shown(ctl: Run, controller: InMemoryController) -> None:
    """S11."""
    controller.now = 1042.0
    for command in ("status", "why"):
        ran = ctl(command)
        assert ran.code == 14
        assert ran.out == ""
        assert "42.0 s" in ran.err
        assert "active" not in ran.err
        assert len(ran.err.splitlines()) == 1


def test_why_gives_reasons_and_steps_for_any_node(ctl: Run, controller: InMemoryController) -> None:
    controller.shown = active_snapshot(control=Control(1, drained=frozenset({"db2"})))
    ran = ctl("why", "db2")
    assert ran.code == 0
    assert ran.out.startswith("db2 is not active.")
    assert "drained" in ran.out
    assert "next: failoverctl undrain db2" in ran.out
    assert ctl("why").out.startswith("db1 is active.")
    told = ctl("why", "db2", "--json").told
    assert told["active"] is False
    assert told["next"]


def test_why_of_a_node_without_a_controller_says_so(ctl: Run) -> None:
    ran = ctl("why", "db9")
    assert ran.code == 0
    assert "no live controller is called db9 (live are: db1, db2)" in ran.out
    assert "systemctl status failoverd@orders-db" in ran.out


def test_history_shows_the_latest_lines(ctl: Run, controller: InMemoryController) -> None:
    assert "Nothing is remembered" in ctl("history").out
    controller.lines = [
        {"at": f"t{n}", "node": "db1", "from": "out", "to": "standby", "epoch": n, "why": f"why {n}"} for n in range(50)
    ]
    ran = ctl("history", "-n", "2")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["WHEN", "t48", "t49"]
    assert len(ctl("history", "--json").told["history"]) == 20


def test_nothing_that_is_shown_steers_the_terminal(ctl: Run, controller: InMemoryController) -> None:
    nasty = "\x1b]0;owned\x07[red]x[/red]\r\n\x9b31m"
    controller.lines = [{"at": nasty, "node": nasty, "from": "out", "to": "out", "epoch": 1, "why": nasty}]
    controller.shown = standby_snapshot(blocked=nasty, why=nasty, members=(member(DB2, why=nasty),))
    for command in (("status",), ("why",), ("history",)):
        out = ctl(*command).out
        assert all(letter.isprintable() or letter == "\n" for letter in out)
        assert "[red]x[/red]" in out


def test_an_impaired_node_is_shown_and_why_says_what_follows(ctl: Run, controller: InMemoryController) -> None:
    members = (member(DB1, Role.ACTIVE), member(DB2, impaired=2))
    words = "all critical probes pass; impaired: resource: disk /var has 1 GiB of 100 GiB (1 %) free, limit 5 %"
    controller.shown = active_snapshot(members=members, impaired=1, health_detail=words)
    rows = {line.split()[0]: line for line in ctl("status").out.splitlines() if line.startswith("db")}
    assert "impaired 1" in rows["db1"]
    assert "impaired 2" in rows["db2"]
    assert ctl("status", "--json").told["status"]["impaired"] == 1
    assert "disk /var has 1 GiB" in ctl("why", "db1").out
    assert "2 probes that are not critical fail" in ctl("why", "db2").out
    assert "mend what is impaired on db2" in ctl("why", "db2").out
