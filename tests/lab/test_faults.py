"""Faults of three hosts that keep a PostgreSQL: whatever happens, never two primaries, and no commit is lost.

A synchronous commit is acknowledged when both hosts have it. After each fault the cluster settles by itself, or as the
test says; then all answers of all clients are judged (`Three.check`). In CI the first test runs, by `make lab` all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.lab import three as lab
from tests.lab.network import Network
from tests.lab.postgresql import UNIT
from tests.lab.three import CONTROLLER, Member, Three
from tests.servers.wait import eventually

whole = pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="one fault of many, half a minute each: make lab")


@pytest.fixture(scope="module")
def three(network: Network) -> Iterator[Three]:
    if missing := lab.missing():
        pytest.skip(f"no lab of three hosts, missing: {', '.join(missing)}; scripts/install-test-needs installs it")
    with Three(network) as made:
        yield made


def is_active(member: Member) -> bool:
    return member.role() == "active"


def took_over_cleanly(member: Member) -> bool:
    """Active, and it had nobody to fence."""
    told = member.status()
    return told.get("role") == "active" and "stepped down cleanly" in told.get("why", "")


def test_power_off_of_the_active_host_is_answered_by_its_bmc_and_the_peer_takes_over(three: Three) -> None:
    with three.fault("power-off of the active host") as fault:
        fault.begins()
        fault.active.host.power_off()
        three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")
        told = lambda: fault.standby.status().get("why", "")  # noqa: E731
        why = three.eventually(told, 10, "it says why")
        assert "was fenced by power" in why, "its BMC had said ON, and says OFF (S7)"
        three.eventually(fault.active.host.init, 30, "what the fence took is given back: it has power again")
    assert is_active(fault.standby)


@whole
def test_an_active_host_that_is_cut_off_stops_by_itself_and_is_switched_off(three: Three) -> None:
    with three.fault("the active host cut off from everything (two-way partition)") as fault:
        assert fault.active.host.cable is not None
        life = fault.active.host.init()
        fault.begins()
        fault.active.host.cable.cut()
        three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")
        assert fault.active.host.init() != life, "its power was cut"
        fault.active.host.cable.mend()
        three.eventually(fault.active.host.init, 30, "it has power again")
    assert is_active(fault.standby)


@whole
@pytest.mark.parametrize("way", ["out", "into"])
def test_a_one_way_partition_of_the_active_host(three: Three, way: str) -> None:
    words = {"out": "the active host is heard by nobody", "into": "the active host hears nobody"}[way]
    with three.fault(f"{words} (one-way partition)") as fault:
        assert fault.active.host.cable is not None
        fault.begins()
        fault.active.host.cable.set(**{way: {"cut": True}})
        three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")
        fault.active.host.cable.mend()


@whole
def test_an_active_that_clients_reach_but_no_other_host_steps_down_before_the_lock_passes(three: Three) -> None:
    with three.fault("the active host cut off from the other hosts, not from its clients") as fault:
        assert fault.active.host.cable is not None
        others = [host.address for host in three.hosts if host is not fault.active.host]
        fault.begins()
        fault.active.host.cable.set({"block": others}, {"block": others})
        three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")
        fault.active.host.cable.mend()


@whole
def test_a_standby_host_without_power_leaves_the_active_where_it_is(three: Three) -> None:
    """It may step down for a moment where the ZooKeeper server of the lost host was the leader (S6)."""
    with three.fault("power-off of the standby host, and on again") as fault:
        fault.begins()
        fault.standby.host.power_off()
        three.eventually(lambda: fault.standby.name not in members(fault.active), 30, "its session has ended")
        fault.standby.host.power_on()
    assert is_active(fault.active)


def members(member: Member) -> set[str]:
    """Whom it sees."""
    return {str(one["node"]) for one in member.get("/v1/cluster").get("members", ())}


@whole
def test_a_frozen_active_host_is_switched_off_while_it_is_frozen(three: Three) -> None:
    with three.fault("freeze of the active host, as a paused virtual machine") as fault:
        life = fault.active.host.init()
        fault.begins()
        fault.active.host.freeze()
        three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")
        assert fault.active.host.init() != life, "it does not wake up: its power was cut"
        three.eventually(fault.active.host.init, 30, "it has power again")


@whole
def test_a_short_freeze_of_the_active_host_moves_nothing(three: Three) -> None:
    with three.fault("freeze of the active host for 0.4 s, less than its margin") as fault:
        fault.begins()
        fault.active.host.freeze()
        wait(0.4)
        fault.active.host.thaw()
    assert (is_active(fault.active), three.epoch()) == (True, fault.epoch)


@whole
def test_a_frozen_active_whose_bmc_is_away_keeps_the_peer_from_promoting_until_it_thaws(three: Three) -> None:
    with three.fault("freeze of the active host, its BMC away; thaw once the peer is blocked") as fault:
        fault.active.bmc.pause()
        try:
            fault.begins()
            fault.active.host.freeze()
            three.eventually(lambda: fault.standby.status().get("blocked"), 60, "the peer says that it is blocked")
            assert fault.standby.role() != "active", "unknown is never done (S5)"
        finally:
            fault.active.host.thaw()
            fault.active.bmc.resume()
        three.eventually(lambda: three.epoch() > fault.epoch, 60, "somebody is active under a new epoch")
        three.eventually(
            lambda: runs_again(fault.active), 60, "its controller runs again, and nobody has started it by hand"
        )


@whole
def test_a_database_that_is_stopped_by_sigstop_is_replaced(three: Three) -> None:
    with three.fault("SIGSTOP of the active PostgreSQL, all its processes") as fault:
        fault.begins()
        fault.active.host.must("systemctl", "kill", "--signal=STOP", "--kill-whom=all", UNIT)
        three.eventually(lambda: three.epoch() > fault.epoch, 60, "somebody else is active")
        three.eventually(
            lambda: runs_again(fault.active), 60, "its controller runs again, and nobody has started it by hand"
        )


@whole
def test_a_database_that_is_killed_is_replaced(three: Three) -> None:
    with three.fault("kill -9 of the active PostgreSQL") as fault:
        fault.begins()
        fault.active.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
        three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")


@whole
def test_a_controller_that_is_killed_carries_on(three: Three) -> None:
    with three.fault("kill -9 of the active's controller") as fault:
        pid = fault.active.main_pid()
        fault.begins()
        fault.active.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", CONTROLLER)
        three.eventually(lambda: fault.active.main_pid() not in (0, pid), 20, "systemd starts it again")
        three.eventually(lambda: is_active(fault.active), 20, "it carries on")
    assert (is_active(fault.active), three.epoch()) == (True, fault.epoch)


@whole
def test_a_controller_that_is_stopped_by_sigstop_loses_its_session_and_is_fenced(three: Three) -> None:
    with three.fault("SIGSTOP of the active's controller, for longer than its session") as fault:
        fault.begins()
        fault.active.host.must("systemctl", "kill", "--signal=STOP", "--kill-whom=main", CONTROLLER)
        three.eventually(lambda: three.epoch() > fault.epoch, 60, "somebody is active under a new epoch")
        three.eventually(
            lambda: runs_again(fault.active), 60, "its controller runs again, and nobody has started it by hand"
        )
        three.eventually(lambda: f"restore of {fault.active.name} by stop: done" in told(fault.standby), 60, "by ssh")


def told(member: Member) -> str:
    """The service's history, as that node tells it."""
    return str(member.get("/v1/history?limit=1000"))


def runs_again(member: Member) -> bool:
    """After a fence by ssh the peer has it started again; a host that was switched off and on does so itself."""
    return bool(member.host.init()) and member.role() in ("standby", "active")


@whole
def test_loss_and_delay_of_packets_on_the_active_host(three: Three) -> None:
    with three.fault("10 % loss and 50 ± 20 ms delay on the active host's cable, both ways, for 20 s") as fault:
        assert fault.active.host.cable is not None
        poor = {"loss": 0.1, "delay_s": 0.05, "jitter_s": 0.02}
        fault.begins()
        fault.active.host.cable.set(poor, poor)
        wait(20.0)
        fault.active.host.cable.mend()


@whole
@pytest.mark.parametrize("mode", ["follower", "leader"])
def test_a_zookeeper_server_that_is_lost_moves_nothing(three: Three, mode: str) -> None:
    with three.fault(f"a ZooKeeper {mode} stopped for longer than the session") as fault:
        found = next(host for host in three.hosts if three.zookeeper_mode(host) == mode)
        fault.begins()
        found.must("systemctl", "stop", "zookeeper.service")
        wait(lab.SESSION_S + 2)
        found.must("systemctl", "start", "zookeeper.service")
    assert (is_active(fault.active), three.epoch()) == (True, fault.epoch)


@whole
def test_without_any_zookeeper_the_active_steps_down_and_comes_back_with_it(three: Three) -> None:
    with three.fault("every ZooKeeper server stopped for longer than the session") as fault:
        fault.begins()
        for host in three.hosts:
            host.must("systemctl", "stop", "zookeeper.service")
        three.eventually(lambda: not any(map(is_active, three.members.values())), 30, "nobody is active (S6)")
        for host in three.hosts:
            host.must("systemctl", "start", "zookeeper.service")


@whole
def test_a_full_disk_on_the_active(three: Three) -> None:
    with three.fault("full disk on the active, emptied once the peer is active") as fault:
        fault.begins()
        fault.active.host.run("sh", "-c", f"cat /dev/zero > {lab.FULL} 2>/dev/null", timeout_s=60)
        fault.active.sql("SELECT pg_switch_wal()")
        try:
            three.eventually(lambda: is_active(fault.standby), 60, "the peer is active")
        finally:
            fault.active.host.run("rm", "-f", lab.FULL)


@whole
def test_everything_loses_its_power_at_once(three: Three) -> None:
    with three.fault("power-off of all three hosts at once, and on again") as fault:
        fault.begins()
        for host in three.hosts:
            host.power_off()
        for host in three.hosts:
            host.power_on(wait=False)
        for host in three.hosts:
            host.boots()


@whole
def test_a_stop_of_the_controllers_unit_hands_over(three: Three) -> None:
    with three.fault("systemctl stop of the active's controller") as fault:
        strikes = fault.active.bmc.asked().count("set power 0")
        fault.begins()
        fault.active.host.must("systemctl", "stop", CONTROLLER)
        three.eventually(lambda: took_over_cleanly(fault.standby), 60, "the peer is active, and had nobody to fence")
        assert fault.active.bmc.asked().count("set power 0") == strikes, "handed over: nothing to fence"
        fault.active.host.must("systemctl", "start", CONTROLLER)


@whole
def test_a_shutdown_of_the_active_host_hands_over_first(three: Three) -> None:
    with three.fault("systemctl poweroff of the active host, and on again") as fault:
        fault.begins()
        fault.active.host.run("systemctl", "poweroff", "--no-block")
        three.eventually(lambda: took_over_cleanly(fault.standby), 60, "the peer is active, and had nobody to fence")
        three.eventually(lambda: not fault.active.host.init(), 120, "the host is off")
        fault.active.host.power_on()


@whole
def test_a_reboot_of_the_active_host_hands_over_first(three: Three) -> None:
    with three.fault("systemctl reboot of the active host") as fault:
        life = fault.active.host.init()
        fault.begins()
        fault.active.host.run("systemctl", "reboot", "--no-block")
        three.eventually(lambda: took_over_cleanly(fault.standby), 60, "the peer is active, and had nobody to fence")
        three.eventually(lambda: fault.active.host.init() not in (0, life), 120, "the host comes back")
        three.eventually(fault.active.host.init, 30, "it has power again")


@whole
@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_jump_of_the_wall_clock_moves_nothing(three: Three, jump_s: int) -> None:
    with three.fault(f"the active host's wall clock jumps by {jump_s:+} s, and back") as fault:
        before = int(fault.active.host.must("date", "+%s"))
        fault.begins()
        fault.active.host.jump(jump_s)
        assert abs(int(fault.active.host.must("date", "+%s")) - before - jump_s) < 60, "the clock has jumped"
        wait(lab.SESSION_S + 2)
        fault.active.host.jump(0)
        wait(lab.SESSION_S + 2)
    assert (is_active(fault.active), three.epoch()) == (True, fault.epoch)


def wait(seconds: float) -> None:
    """A fault lasts for a while; nothing is asserted about the time itself."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until, seconds + 5, "the fault has lasted long enough")
