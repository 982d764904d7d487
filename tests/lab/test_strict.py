"""Controllers without root on a host with a real systemd and a real polkit: nothing is missing, nothing is too much."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.lab.host import Host
from tests.lab.pair import BIN, LabZooKeeper, unit_of
from tests.lab.strict import BINARIES, USER, StrictPair

UNITS = ("cache-a.service", "cache-b.service")
RULE = "/etc/polkit-1/rules.d/50-failoverd-cache.rules"
STRICT = "/etc/systemd/system/failoverd@.service.d/strict.conf"
POLKITD = "/usr/lib/polkit-1/polkitd"


@pytest.fixture(scope="module")
def strict(host: Host, lab_zookeeper: LabZooKeeper) -> Iterator[StrictPair]:
    if host.run("test", "-x", POLKITD).returncode:
        pytest.skip("no polkitd (Debian: polkitd)")
    made = StrictPair(host, lab_zookeeper, UNITS, root=f"/t-{secrets.token_hex(4)}")
    for node in made.nodes.values():
        asks = f"+{BINARIES}/failoverctl may-start cache --state-dir /run/failoverd/{node.name}"
        host.write(f"/etc/systemd/system/{node.unit}", unit_of(node.name, ExecCondition=asks))
    host.must("systemctl", "daemon-reload")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_controller_without_root_becomes_active_through_polkit_and_holds_no_capability(strict: StrictPair) -> None:
    active, _ = strict.begin()
    pid = active.main_pid(active.controller)
    told = strict.host.must("cat", f"/proc/{pid}/status")
    assert strict.host.must("stat", "-c", "%U", f"/proc/{pid}").strip() == USER
    facts = dict(line.partition(":\t")[::2] for line in told.splitlines())
    assert {facts[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"


@pytest.mark.long
def test_what_it_keeps_is_its_own_and_what_it_reads_it_cannot_write(strict: StrictPair) -> None:
    active, _ = strict.begin()
    found = strict.host.must("find", "/run/failoverd", "!", "-user", USER)
    assert found == ""
    assert strict.host.must("stat", "-c", "%a %U %G", "/etc/failoverd").split() == ["750", "root", USER]
    pid = active.main_pid(active.controller)
    inside = ("nsenter", "-t", str(pid), "-m", "-S", strict.host.must("id", "-u", USER).strip(), "-G", "0")
    for path in ("/etc/failoverd/tokens", "/var/tmp-x", "/usr/x"):
        assert strict.host.run(*inside, "sh", "-c", f": >> {path}").returncode != 0, path


@pytest.mark.long
def test_a_killed_controller_without_root_carries_on(strict: StrictPair) -> None:
    active, standby = strict.begin()
    before = active.status()["epoch"], active.main_pid(active.unit)
    controller = active.main_pid(active.controller)
    strict.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", active.controller)
    strict.eventually(lambda: active.main_pid(active.controller) not in (0, controller), 10, "it is started again")
    strict.eventually(lambda: "adopted" in str(active.status().get("why")), 15, "it carries on")
    assert (active.status()["epoch"], active.main_pid(active.unit)) == before
    assert standby.role() == "standby"
    assert not strict.fenced()


@pytest.mark.long
def test_a_switchover_and_a_stop_hand_over(strict: StrictPair) -> None:
    active, standby = strict.begin()
    strict.switchover(active, standby)
    strict.comes(standby.name, "active")
    assert strict.host.show(active.unit, "ActiveState") == ["inactive"]
    strict.host.must("systemctl", "stop", standby.controller)
    strict.comes(active.name, "active")
    assert not strict.fenced(), "handed over: nothing to fence"
    strict.host.must("systemctl", "start", standby.controller)
    strict.comes(standby.name, "standby")


@pytest.mark.long
def test_the_last_will_of_a_controller_without_root_leaves_nothing_that_the_next_cannot_use(strict: StrictPair) -> None:
    active, standby = strict.begin()
    override = "/run/systemd/system/failoverd@.service.d/failed.conf"
    strict.host.write(override, "[Service]\nRestart=no\n")
    strict.host.must("systemctl", "daemon-reload")
    try:
        strict.host.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", active.controller)
        strict.comes(standby.name, "active")
        assert not strict.fenced(), strict.logs()
        assert strict.host.must("find", "/run/failoverd", "!", "-user", USER) == ""
    finally:
        strict.host.must("rm", override)
        strict.host.must("systemctl", "daemon-reload")
        strict.host.must("systemctl", "start", active.controller)
    strict.comes(active.name, "standby")


@pytest.mark.long
def test_units_and_verbs_that_the_rule_does_not_name_are_refused(strict: StrictPair) -> None:
    strict.begin()
    host = strict.host
    host.write("/run/systemd/system/other.service", "[Service]\nExecStart=/bin/sleep 900\n")
    host.must("systemctl", "daemon-reload")

    def may(*words: str) -> bool:
        done = host.run("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                        "systemctl", "--no-ask-password", *words)  # fmt: skip
        return done.returncode == 0

    assert not may("start", "other.service")
    assert not may("stop", "failoverd@a.service")
    assert not may("poweroff", "--when=+1h")
    assert not may("set-property", UNITS[0], "CPUWeight=5")
    assert may("kill", "--signal=CONT", UNITS[0]) or may("kill", "--signal=CONT", UNITS[1])
    assert host.show("other.service", "ActiveState") == ["inactive"]


def test_a_standby_that_may_not_steer_its_unit_says_so_and_is_no_candidate_until_it_may(strict: StrictPair) -> None:
    active, standby = strict.begin()
    strict.install((active.unit,))
    try:
        strict.host.must("systemctl", "restart", standby.controller)
        strict.eventually(lambda: "systemd refused" in strict.ctl(active, "why", standby.name), 20, "it says why")
        told = strict.ctl(active, "why", standby.name)
        assert "polkit must run, with a rule for this unit" in told
        print(told)
        assert "Traceback" not in standby.log()
    finally:
        strict.install(UNITS)
    strict.eventually(lambda: "systemd refused" not in strict.ctl(active, "why", standby.name), 20, "it may now")
    assert (active.role(), standby.role()) == ("active", "standby")


@pytest.mark.long
def test_to_give_up_root_and_to_take_it_back_moves_nothing(strict: StrictPair) -> None:
    active, standby = strict.begin()
    host, before = strict.host, (active.status()["epoch"], active.main_pid(active.unit))

    def restarted_as(user: str) -> None:
        controller = active.main_pid(active.controller)
        host.must("systemctl", "daemon-reload")
        host.must("systemctl", "restart", active.controller)
        pid = active.main_pid(active.controller)
        assert pid not in (0, controller)
        assert host.must("stat", "-c", "%U", f"/proc/{pid}").strip() == user
        strict.eventually(lambda: "adopted" in str(active.status().get("why")), 15, "it carries on")
        assert (active.status()["epoch"], active.main_pid(active.unit)) == before

    host.must("mv", STRICT, "/run/strict.conf")
    restarted_as("root")
    host.must("mv", "/run/strict.conf", STRICT)
    restarted_as(USER)
    assert standby.role() == "standby"
    assert not strict.fenced()


@pytest.mark.long
def test_an_install_is_done_once_and_an_uninstall_takes_all_of_it_away(strict: StrictPair) -> None:
    strict.begin()
    host = strict.host
    words = (
        "--strict",
        "--service",
        "cache",
        "--bin",
        BINARIES,
        *(word for unit in UNITS for word in ("--unit", unit)),
    )
    again = host.must(f"{BIN}/failoverctl", "install", *words)
    again = host.must(f"{BIN}/failoverctl", "install", *words)
    assert {line.split(":")[0] for line in again.splitlines()} == {"as it is"}, again
    host.must("rm", "/etc/failoverd/cache.yaml")
    host.must(f"{BIN}/failoverctl", "uninstall")
    for path in (RULE, "/etc/sysusers.d/failoverd.conf", "/etc/tmpfiles.d/failoverd.conf",
                 STRICT):  # fmt: skip
        assert host.run("test", "-e", path).returncode, path
    assert not strict.fenced()
