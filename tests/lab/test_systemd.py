"""A service that is a systemd unit, and controllers that are: on a host with a real systemd, against a ZooKeeper."""

from __future__ import annotations

import time

from tests.lab.host import Host
from tests.lab.pair import BIN, Node, Pair, unit_of
from tests.servers.wait import eventually

AT_ONCE_S = 0.9  # from the end of the unit to the word of it; by the probe's polls alone it would be 1 to 2 s


def carried_on(node: Node) -> bool:
    return node.role() == "active" and "adopted: the controller was restarted" in str(node.status().get("why"))


def restarted(node: Node, pid: int) -> bool:
    return node.main_pid(node.controller) not in (0, pid)


def test_a_controller_that_is_killed_is_restarted_by_systemd_and_carries_on_with_the_service_untouched(
    pair: Pair,
) -> None:
    a, b = pair["a"], pair["b"]
    epoch, service, controller = a.status()["epoch"], a.main_pid(a.unit), a.main_pid(a.controller)
    pair.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", a.controller)
    eventually(lambda: restarted(a, controller), 10, "systemd starts it again")
    eventually(lambda: carried_on(a), 15, f"a carries on\n{pair.logs()}")
    assert a.status()["epoch"] == epoch
    assert a.main_pid(a.unit) == service
    assert b.role() == "standby"
    assert not pair.fenced()


def test_a_restart_of_the_controllers_unit_moves_nothing_either(pair: Pair) -> None:
    a, b = pair["a"], pair["b"]
    epoch, service, controller = a.status()["epoch"], a.main_pid(a.unit), a.main_pid(a.controller)
    pair.host.must("systemctl", "restart", a.controller)
    assert restarted(a, controller)
    eventually(lambda: carried_on(a), 15, f"a carries on\n{pair.logs()}")
    assert a.status()["epoch"] == epoch
    assert a.main_pid(a.unit) == service
    assert b.role() == "standby"
    assert not pair.fenced()


def test_a_killed_service_is_heard_of_by_the_signal_and_handed_over_at_once(pair: Pair) -> None:
    a, b = pair["a"], pair["b"]
    killed = time.monotonic()
    pair.host.must("systemctl", "kill", "--signal=KILL", a.unit)
    eventually(lambda: b.main_pid(b.unit), 10, f"the service of b is started\n{pair.logs()}")
    took_s = time.monotonic() - killed
    pair.comes("b", "active")
    assert took_s < AT_ONCE_S, f"{took_s:.3f} s\n{pair.logs()}"
    assert not pair.fenced(), "handed over: nothing to fence"
    pair.comes("a", "standby")


def test_a_switchover_stops_one_unit_and_starts_the_other_and_leaves_no_process_behind(pair: Pair) -> None:
    a, b = pair["a"], pair["b"]
    group = pair.host.show(a.unit, "ControlGroup")[0]
    pair.ctl(a, "switchover", "--to", "b", "--reason", "test")
    pair.comes("b", "active")
    assert pair.host.show(a.unit, "ActiveState", "MainPID") == ["inactive", "0"]
    assert pair.host.show(b.unit, "ActiveState") == ["active"]
    left = pair.host.run("find", "/sys/fs/cgroup", "-path", f"*{group}/cgroup.procs", "-size", "+0").stdout
    assert not left
    assert "and nothing of cache-a.service runs" in a.log()
    assert not pair.fenced()


def test_a_process_that_the_units_kill_mode_leaves_makes_the_demote_unknown_and_the_peer_fences(pair: Pair) -> None:
    a, b = pair["a"], pair["b"]
    line = "/bin/sh -c 'sleep 600 & exec sleep 601'"
    pair.host.write(
        f"/etc/systemd/system/{a.unit}.d/left.conf", f"[Service]\nKillMode=process\nExecStart=\nExecStart={line}\n"
    )
    try:
        pair.host.must("systemctl", "daemon-reload")
        pair.host.must("systemctl", "restart", a.unit)
        pair.comes("b", "active", 30)
        assert "of its processes run on" in a.log()
        assert pair.fenced()
    finally:
        pair.host.must("rm", "-r", f"/etc/systemd/system/{a.unit}.d")
        pair.host.must("systemctl", "daemon-reload")


def test_check_config_refuses_a_unit_that_would_start_by_itself_until_it_asks(host: Host, pair: Pair) -> None:
    a = pair["a"]
    assert "good" in pair.ctl(a, "check-config")
    host.must("systemctl", "enable", a.unit)
    told = host.run(f"{BIN}/failoverctl", "check-config", "/etc/failoverd/a.yaml")
    assert told.returncode == 10
    assert "would start by itself at boot" in told.stdout
    asks = f"+{BIN}/failoverctl may-start cache --state-dir /run/failoverd/a"
    host.write(f"/etc/systemd/system/{a.unit}", unit_of("a", ExecCondition=asks, Restart="always"))
    host.must("systemctl", "daemon-reload")
    assert "good" in pair.ctl(a, "check-config")
