"""`kind: systemd`: the end of a unit is heard of at once; a bus that is away says nothing about the service."""

from collections.abc import Callable

import pytest

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.control_groups import ControlGroupError
from failover.support.systemd_bus import SystemdBus
from healthcheck import Monitor, Timing
from healthcheck.systemd import SystemdProbe
from tests.healthcheck.stories import Told
from tests.servers.wait import eventually_async
from tests.support.fake_systemd import UNIT, Bus, FakeSystemd, Unit, no_processes, with_systemd

ENDS = [("failed", "failed"), ("inactive", "dead"), ("activating", "auto-restart")]
QUICK = Timing(every_s=0.05, timeout_s=5.0, rise=1, fall=2)
IMPATIENT = Timing(every_s=0.05, timeout_s=0.6, rise=1, fall=2)
SELDOM = Timing(every_s=600.0, timeout_s=5.0, rise=1, fall=2)
"""So seldom that what is heard in time is a signal's doing."""


def probe_of(bus: SystemdBus, timing: Timing = QUICK, left: Callable[[str], list[int]] = no_processes) -> SystemdProbe:
    return SystemdProbe(bus, UNIT, timing, left)


def found(unit: Unit, left: Callable[[str], list[int]] = no_processes) -> Finding:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> Finding:
        systemd.units[UNIT] = unit
        return await probe_of(bus, left=left).check()

    return with_systemd(story)


@pytest.mark.parametrize("active", ["active", "reloading", "refreshing"])
def test_a_unit_that_serves_is_healthy_a_reload_included(active: str) -> None:
    assert found(Unit(active=active, sub="running")) == Finding(Health.HEALTHY, f"{active} (running)", there=True)


@pytest.mark.parametrize(
    ("active", "sub"), [("failed", "failed"), ("inactive", "dead"), ("activating", "auto-restart")]
)
def test_a_unit_that_has_ended_does_not_respond_and_is_absent(active: str, sub: str) -> None:
    assert found(Unit(active=active, sub=sub)) == Finding(Health.NOT_RESPONDING, f"{active} ({sub})", absent=True)


@pytest.mark.parametrize(("active", "sub"), [("activating", "start"), ("deactivating", "stop-sigterm")])
def test_a_unit_that_starts_or_stops_does_not_respond_but_is_there(active: str, sub: str) -> None:
    assert found(Unit(active=active, sub=sub)) == Finding(Health.NOT_RESPONDING, f"{active} ({sub})", there=True)


def test_a_unit_that_does_not_exist_is_told_in_clear_words_and_is_not_taken_for_one_that_ended() -> None:
    finding = found(Unit(load="not-found"))
    assert finding.detail.startswith(f"there is no unit {UNIT} on this host")
    assert (finding.health, finding.absent, finding.gone) == (Health.NOT_RESPONDING, False, False)


def test_without_a_bus_nothing_is_said_about_the_service() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> Finding:
        daemon.kill()
        return await probe_of(bus, IMPATIENT).check()

    finding = with_systemd(story)
    assert finding.health is Health.UNKNOWN
    assert finding.detail.startswith("not asked: no connection to D-Bus at")


def test_what_systemd_refuses_to_say_is_unknown() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> Finding:
        systemd.refuse["ListUnitsByNames"] = "no"
        return await probe_of(bus).check()

    assert with_systemd(story) == Finding(Health.UNKNOWN, "systemd does not say: no")


def told_of(change: tuple[str, str], left: Callable[[str], list[int]] = no_processes) -> list[Finding]:
    """What a watching probe tells unasked when its unit changes."""
    told: list[Finding] = []

    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> None:
        systemd.units[UNIT] = Unit(active="active", sub="running", group="/system.slice/orders-db.service")
        probe = probe_of(bus, left=left)
        probe.watch(told.append)
        assert (await probe.check()).health is Health.HEALTHY
        systemd.change(*change)
        await bus.state(UNIT)  # asked after the signal, so answered after it
        probe.close()
        systemd.change("failed", "failed")
        await bus.state(UNIT)

    with_systemd(story)
    return told


@pytest.mark.parametrize("change", ENDS)
def test_the_end_is_told_at_once_and_nothing_after_closing(change: tuple[str, str]) -> None:
    assert told_of(change) == [Finding(Health.NOT_RESPONDING, "{} ({})".format(*change), gone=True)]


@pytest.mark.parametrize("change", [("deactivating", "stop-sigterm"), ("reloading", "reload"), ("activating", "start")])
def test_other_changes_are_left_to_the_next_check(change: tuple[str, str]) -> None:
    assert told_of(change) == []


def unreadable(group: str) -> list[int]:
    raise ControlGroupError("Permission denied")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (lambda _: [7, 8], "of its processes these run on: 7, 8"),
        (unreadable, "what is left of it cannot be seen: Permission denied"),
    ],
)
def test_a_unit_whose_processes_run_on_is_down_at_once_but_not_gone(
    left: Callable[[str], list[int]], words: str
) -> None:
    assert told_of(("failed", "failed"), left) == [
        Finding(Health.NOT_RESPONDING, f"failed (failed), but {words}", there=True, at_once=True)
    ]


def test_the_monitor_hears_of_the_end_long_before_the_next_check() -> None:
    told = Told()

    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> None:
        systemd.units[UNIT] = Unit(active="active", sub="running")
        monitor = Monitor([probe_of(bus, SELDOM)], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        systemd.change("failed", "failed")
        await told.says(Health.NOT_RESPONDING)
        await monitor.stop()

    with_systemd(story)
    assert told.words[-1] == (Health.NOT_RESPONDING, f"systemd {UNIT}: failed (failed)", True)


def test_after_a_lost_bus_the_probe_subscribes_again_and_its_word_stands_meanwhile() -> None:
    told = Told()

    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> None:
        systemd.units[UNIT] = Unit(active="active", sub="running")
        probe = probe_of(bus, IMPATIENT)
        monitor = Monitor([probe], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        daemon.kill()
        await eventually_async(lambda: not bus.connected, 5, "the connection is lost")
        assert (await probe.check()).health is Health.UNKNOWN
        daemon.start()
        await systemd.appear(daemon.address)
        await eventually_async(lambda: bus.hears(probe._path, probe._changed), 5, "it is subscribed again")
        assert told.healths[told.healths.index(Health.HEALTHY) :] == [Health.HEALTHY]
        systemd.change("failed", "failed")
        await told.says(Health.NOT_RESPONDING)
        await monitor.stop()

    with_systemd(story)


def test_a_frozen_bus_is_not_held_against_the_service() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> Finding:
        probe = probe_of(bus, IMPATIENT)
        await bus.state(UNIT)
        daemon.freeze()
        finding = await probe.check()
        daemon.thaw()
        return finding

    words = "not asked: no answer from systemd to ListUnitsByNames in 0.48 s"
    assert with_systemd(story) == Finding(Health.UNKNOWN, words), "0.6 s is the monitor's own deadline"
