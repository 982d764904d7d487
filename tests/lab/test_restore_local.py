"""Restore, the far side, on a host with a real systemd: what a strike has stopped is started once, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.far_units import CONTROLLER, ask, sleepers
from tests.lab.host import Host
from tests.servers.wait import eventually

pytestmark = pytest.mark.long


def restored(host: Host, epoch: int = 42, deadline_s: int = 10) -> tuple[str, str]:
    """What was given (`not`, `unknown` in place of it), and the words for it."""
    word, facts = ask(host, "restore", epoch=epoch, deadline_s=deadline_s)
    if word == "FAILOVERD-GIVEN":
        return str(facts["gave"]), str(facts.get("why", ""))
    return ("not" if facts["certain"] else "unknown"), str(facts["why"])


def strike(host: Host, epoch: int = 42) -> None:
    word, facts = ask(host, "fence", epoch=epoch)
    assert word == "FAILOVERD-FENCED", facts


def add(host: Host, section: str, *lines: str) -> None:
    """Further lines for the controller's unit."""
    host.write(f"/run/systemd/system/{CONTROLLER}.d/{section}.conf", "\n".join((f"[{section}]", *lines, "")))
    host.must("systemctl", "daemon-reload")


@contextmanager
def enabled(host: Host) -> Iterator[None]:
    """The controller's unit is started at boot, so that systemd remembers it while it is down."""
    add(host, "Install", "WantedBy=multi-user.target")
    host.must("systemctl", "enable", CONTROLLER)
    try:
        yield
    finally:
        host.run("systemctl", "unmask", CONTROLLER)
        host.run("systemctl", "disable", CONTROLLER)


def is_down(host: Host) -> bool:
    return host.show(CONTROLLER, "ActiveState")[0] in ("inactive", "failed") and "904" not in sleepers(host)


def test_who_was_stopped_before_the_strike_stays_down(units: Host) -> None:
    units.must("systemctl", "stop", CONTROLLER)
    strike(units)
    gave, why = restored(units)
    assert gave == "nothing"
    assert "was down before the fence" in why
    assert is_down(units)


def test_who_was_just_being_stopped_when_the_strike_came_stays_down(units: Host) -> None:
    add(units, "Service", "ExecStop=/bin/sleep 905", "TimeoutStopSec=infinity")
    units.must("systemctl", "stop", "--no-block", CONTROLLER)
    eventually(lambda: units.show(CONTROLLER, "ActiveState")[0] == "deactivating", 10, "its stop hangs")
    strike(units)
    assert restored(units)[0] == "nothing"
    assert is_down(units)


def test_a_later_strike_takes_over_what_an_earlier_one_owes(units: Host) -> None:
    strike(units)
    strike(units, 43)
    gave, why = restored(units)
    assert (gave, is_down(units)) == ("nothing", True)
    assert "was struck again under epoch 43" in why
    assert restored(units, 43)[0] == "started"


def test_what_an_earlier_boot_owed_is_owed_no_more(units: Host) -> None:
    strike(units)
    units.must("sed", "-i", 's/"boot": "[^"]*"/"boot": "11111111-2222-3333-4444-555555555555"/',
               f"/run/failoverd-fence/{CONTROLLER}")  # fmt: skip
    assert restored(units)[0] == "nothing"
    units.must("systemctl", "start", CONTROLLER)
    assert restored(units)[0] == "runs", "as after a boot that has started it"


@pytest.mark.parametrize("verb", ["disable", "mask"])
def test_a_unit_that_was_disabled_or_masked_since_stays_down(units: Host, verb: str) -> None:
    with enabled(units):
        strike(units)
        units.must("systemctl", verb, CONTROLLER)
        gave, why = restored(units)
        assert (gave, is_down(units)) == ("nothing", True)
        assert f"was {verb.rstrip('e')}ed since the fence" in why
        units.must("systemctl", {"disable": "enable", "mask": "unmask"}[verb], CONTROLLER)
        assert restored(units)[0] == "started"


def test_a_start_limit_that_is_reached_does_not_keep_it_down(units: Host) -> None:
    units.must("systemctl", "stop", CONTROLLER)
    add(units, "Unit", "StartLimitIntervalSec=1h", "StartLimitBurst=1")
    with enabled(units):
        units.must("systemctl", "start", CONTROLLER)
        strike(units)
        assert units.run("systemctl", "start", CONTROLLER).returncode != 0
        assert units.show(CONTROLLER, "Result")[0] == "start-limit-hit"
        assert restored(units)[0] == "started"


def test_what_somebody_has_started_and_stopped_since_stays_down(units: Host) -> None:
    with enabled(units):
        strike(units)
        units.must("systemctl", "start", CONTROLLER)
        units.must("systemctl", "stop", CONTROLLER)
        gave, why = restored(units)
        assert (gave, is_down(units)) == ("nothing", True)
        assert "was started since the fence, and somebody has stopped it" in why


def test_a_controller_that_fails_at_once_is_started_once_only(units: Host) -> None:
    strike(units)
    add(units, "Service", "ExecStart=", "ExecStart=/bin/sh -c 'echo begun >> /run/begun; exit 3'", "Restart=no")
    for _ in range(2):
        gave, why = restored(units)
        assert gave == "not"
        assert f"was started again, and has failed (exit-code): journalctl -u {CONTROLLER}" in why
    assert units.must("cat", "/run/begun").split() == ["begun"]
    units.must("rm", "/run/begun")


def test_a_controller_that_does_not_get_ready_in_time_is_unknown_and_not_started_again(units: Host) -> None:
    strike(units)
    add(units, "Service", "Type=notify", "NotifyAccess=all", "TimeoutStartSec=infinity")
    for _ in range(2):
        gave, why = restored(units, deadline_s=3)
        assert gave == "unknown"
        assert "is not ready yet (activating, start)" in why
    pid = units.show(CONTROLLER, "MainPID")[0]
    assert pid != "0"
    units.must("systemctl", "stop", CONTROLLER)
    assert restored(units)[0] in ("nothing", "not"), "its stop is somebody's will"
    assert units.show(CONTROLLER, "MainPID")[0] == "0"


def test_nothing_but_what_is_allowed_here_is_ever_started(units: Host) -> None:
    units.must("systemctl", "stop", CONTROLLER, "other.service")
    word, facts = ask(units, "restore", controller="other.service")
    assert (word, facts["certain"]) == ("FAILOVERD-NOT", True)
    assert "controller other.service is not allowed here" in str(facts["why"])
    assert not {"902", "904"} & set(sleepers(units))
