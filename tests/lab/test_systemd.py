"""A service that is a systemd unit, and controllers that are: on a host with a real systemd, against a ZooKeeper.

The pair lives for the whole module: each test begins with whoever is active.
"""

from __future__ import annotations

import time
from functools import partial

from tests.lab.host import Host
from tests.lab.pair import BIN, SESSION_S, Node, Pair, unit_of


def carried_on(node: Node) -> bool:
    return node.role() == "active" and "adopted: the controller was restarted" in str(node.status().get("why"))


def restarted(node: Node, pid: int) -> bool:
    return node.main_pid(node.controller) not in (0, pid)


def has_logged(node: Node, words: str) -> bool:
    return words in node.log()


def told_by_check_config(host: Host, node: Node) -> tuple[int, str]:
    done = host.run(f"{BIN}/failoverctl", "check-config", f"/etc/failoverd/{node.name}.yaml")
    return done.returncode, done.stdout


def test_a_controller_that_is_killed_is_restarted_by_systemd_and_carries_on_with_the_service_untouched(
    pair: Pair,
) -> None:
    active, standby = pair.begin()
    before = active.status()["epoch"], active.main_pid(active.unit)
    controller = active.main_pid(active.controller)
    pair.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", active.controller)
    pair.eventually(lambda: restarted(active, controller), 10, "systemd starts it again")
    pair.eventually(lambda: carried_on(active), 15, "it carries on")
    assert (active.status()["epoch"], active.main_pid(active.unit)) == before
    assert standby.role() == "standby"
    assert not pair.fenced()


def test_a_restart_of_the_controllers_unit_moves_nothing_either(pair: Pair) -> None:
    active, standby = pair.begin()
    before = active.status()["epoch"], active.main_pid(active.unit)
    controller = active.main_pid(active.controller)
    pair.host.must("systemctl", "restart", active.controller)
    assert restarted(active, controller)
    pair.eventually(lambda: carried_on(active), 15, "it carries on")
    assert (active.status()["epoch"], active.main_pid(active.unit)) == before
    assert standby.role() == "standby"
    assert not pair.fenced()


def test_systemctl_status_says_the_role_and_why(pair: Pair) -> None:
    active, standby = pair.settled()
    for node, role in ((active, "active under epoch"), (standby, "standby: ")):
        pair.eventually(
            lambda node=node, role=role: node.host.show(node.controller, "StatusText")[0].startswith(role),  # type: ignore[misc]
            10,
            f"the status of {node.name} says so",
        )


def test_a_stop_of_the_controllers_unit_hands_over_for_no_controller_comes_back(pair: Pair) -> None:
    active, standby = pair.settled()
    pair.host.must("systemctl", "stop", active.controller)
    pair.comes(standby.name, "active")
    assert not pair.fenced(), "handed over: nothing to fence"
    pair.host.must("systemctl", "start", active.controller)
    pair.comes(active.name, "standby")


def test_the_last_will_of_a_unit_that_has_failed_for_good_hands_over_at_once(pair: Pair) -> None:
    active, standby = pair.settled()
    override = "/run/systemd/system/failoverd@.service.d/failed.conf"
    pair.host.write(override, "[Service]\nRestart=no\n")
    pair.host.must("systemctl", "daemon-reload")
    try:
        killed = time.monotonic()
        pair.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", active.controller)
        pair.comes(standby.name, "active")
        assert time.monotonic() - killed < SESSION_S / 2, "not by the session's end"
        assert not pair.fenced(), f"handed over: nothing to fence\n{pair.logs()}"
    finally:
        pair.host.must("rm", override)
        pair.host.must("systemctl", "daemon-reload")
        pair.host.must("systemctl", "start", active.controller)
    pair.comes(active.name, "standby")


def test_a_killed_service_is_heard_of_by_the_signal_and_handed_over_at_once(pair: Pair) -> None:
    active, standby = pair.begin()
    killed = time.monotonic()
    pair.host.must("systemctl", "kill", "--signal=KILL", active.unit)
    pair.eventually(lambda: standby.main_pid(standby.unit), 10, "the other service is started")
    took_s = time.monotonic() - killed
    print(f"from kill to the other unit's start: {took_s * 1000:.0f} ms")
    pair.comes(standby.name, "active")
    pair.comes(active.name, "standby")
    assert not pair.fenced(), "handed over: nothing to fence"


def test_the_end_of_a_service_is_still_heard_of_after_systemd_and_d_bus_have_been_restarted(pair: Pair) -> None:
    active, standby = pair.begin()
    epoch = active.status()["epoch"]
    pair.host.must("systemctl", "daemon-reexec")
    pair.host.must("systemctl", "kill", "--signal=KILL", "dbus.service")
    for node in (active, standby):
        pair.eventually(partial(has_logged, node, "D-Bus is back"), 15, f"{node.name} has found it again")
    pair.host.must("systemctl", "kill", "--signal=KILL", active.unit)
    pair.eventually(lambda: pair.settled()[0].status().get("epoch", 0) > epoch, 20, "somebody is active again")
    assert not pair.fenced(), "handed over: nothing to fence"


def test_a_switchover_stops_one_unit_and_starts_the_other_and_leaves_no_process_behind(pair: Pair) -> None:
    active, standby = pair.begin()
    pid, group = pair.host.show(active.unit, "MainPID", "ControlGroup")
    pair.switchover(active, standby)
    pair.comes(standby.name, "active")
    assert pair.host.show(active.unit, "ActiveState", "MainPID") == ["inactive", "0"]
    assert pair.host.show(standby.unit, "ActiveState") == ["active"]
    assert pair.host.run("test", "-e", f"/proc/{pid}").returncode == 1
    groups = pair.host.run("find", "/sys/fs/cgroup", "-path", f"*{group}/cgroup.procs").stdout.split()
    assert not [line for path in groups for line in pair.host.must("cat", path).split()]
    assert not pair.fenced()


def test_a_process_that_the_units_kill_mode_leaves_makes_the_demote_unknown_and_the_peer_fences(pair: Pair) -> None:
    active, standby = pair.begin()
    leaves = "[Service]\nKillMode=process\nExecStart=\nExecStart=/bin/sh -c 'sleep 600 & exec sleep 601'\n"
    pair.host.write(f"/etc/systemd/system/{standby.unit}.d/leaves.conf", leaves)
    pair.host.must("systemctl", "daemon-reload")
    try:
        pair.switchover(active, standby)
        pair.comes(standby.name, "active")
        pair.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", standby.unit)
        pair.comes(active.name, "active", 30)
        assert "of its processes run on" in standby.log()
        assert pair.fenced()
    finally:
        pair.host.must("rm", "-r", f"/etc/systemd/system/{standby.unit}.d")
        pair.host.must("systemctl", "daemon-reload")


def test_systemd_finds_nothing_wrong_with_the_shipped_unit(pair: Pair) -> None:
    told = pair.host.run("systemd-analyze", "verify", "failoverd@a.service")
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_check_config_refuses_a_unit_that_would_start_by_itself_until_it_asks_the_controller(pair: Pair) -> None:
    _, standby = pair.begin()
    host = pair.host
    assert told_by_check_config(host, standby)[0] == 0
    host.must("systemctl", "enable", standby.unit)
    code, told = told_by_check_config(host, standby)
    assert code == 10
    assert f"control.unit: {standby.unit} would start by itself at boot" in told
    asks = f"+{BIN}/failoverctl may-start cache --state-dir /run/failoverd/{standby.name}"
    host.write(f"/etc/systemd/system/{standby.unit}", unit_of(standby.name, ExecCondition=asks, Restart="always"))
    host.must("systemctl", "daemon-reload")
    assert told_by_check_config(host, standby)[0] == 0
    host.must("systemctl", "start", standby.unit)
    assert host.show(standby.unit, "ActiveState", "Result") == ["inactive", "exec-condition"], "the controller said no"
    pair.switchover(standby, standby)
    pair.comes(standby.name, "active")
    assert host.show(standby.unit, "ActiveState") == ["active"]


def test_a_controller_that_is_stuck_is_restarted_by_systemds_watchdog_and_carries_on(pair: Pair) -> None:
    active, standby = pair.begin()
    before = active.status()["epoch"], active.main_pid(active.unit)
    controller = active.main_pid(active.controller)
    pair.host.must("systemctl", "kill", "--signal=STOP", "--kill-whom=main", active.controller)
    pair.eventually(lambda: restarted(active, controller), 30, "systemd ends it and starts another")
    pair.eventually(lambda: carried_on(active), 15, "it carries on")
    assert (active.status()["epoch"], active.main_pid(active.unit)) == before
    assert standby.role() == "standby"
    assert not pair.fenced()
    assert "Watchdog timeout" in active.log()
