"""systemd over D-Bus: every call ends, a lost bus is never mistaken for an answer, and nobody else is believed."""

import asyncio
import time
from pathlib import Path

import pytest
from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

from failover.support.systemd_bus import BusLostError, RefusedError, SystemdBus, UnitState
from tests.servers.wait import eventually_async
from tests.support.fake_systemd import NAME, ROOT, UNIT, Bus, FakeSystemd, Unit, path_of, socket_of, with_systemd


def test_a_unit_tells_its_state_and_its_waiting_job() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> list[UnitState]:
        systemd.units[UNIT] = Unit(active="active", sub="running", job="stop")
        return [await bus.state(UNIT), await bus.state("typo.service")]

    there, missing = with_systemd(story)
    assert (there.load, there.words, there.job, there.down) == ("loaded", "active (running)", "stop", False)
    assert (missing.load, missing.down) == ("not-found", True)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("result", ["done", "failed", "canceled"])
def test_a_jobs_result_is_told_even_if_it_is_over_before_its_name_is_known(early: bool, result: str) -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> str:
        systemd.early, systemd.unit.result = early, result
        return await bus.run_job("Start", UNIT, 5.0)

    assert with_systemd(story) == result


def test_what_systemd_refuses_has_not_happened() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> str:
        systemd.refuse["StartUnit"] = "Unit orders-db.service is masked."
        with pytest.raises(RefusedError) as told:
            await bus.run_job("Start", UNIT, 5.0)
        return str(told.value)

    assert with_systemd(story) == "Unit orders-db.service is masked."


def test_a_job_that_does_not_end_in_time_is_unknown() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> str:
        systemd.unit.result = None
        await bus.state(UNIT)
        with pytest.raises(BusLostError) as told:
            await bus.run_job("Stop", UNIT, 0.5)
        return str(told.value)

    assert with_systemd(story) == "the job was not over after 0.5 s"


def test_a_bus_that_goes_away_in_the_middle_of_a_job_ends_the_waiting_at_once() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> str:
        systemd.unit.result = None
        job = asyncio.create_task(bus.run_job("Stop", UNIT, 60.0))
        await eventually_async(lambda: systemd.jobs, 5, "the job was asked for")
        await bus.state(UNIT)  # so the job's own answer has come, too
        daemon.kill()
        with pytest.raises(BusLostError) as told:
            await job
        return str(told.value)

    began = time.monotonic()
    assert with_systemd(story).startswith("the connection to D-Bus was lost")
    assert time.monotonic() - began < 30


def test_without_a_bus_a_call_ends_at_its_deadline_and_says_why(tmp_path: Path) -> None:
    async def story() -> str:
        with pytest.raises(BusLostError) as told:
            await SystemdBus(socket_of(tmp_path)).state(UNIT, 0.5)
        return str(told.value)

    assert asyncio.run(story()) == f"no connection to D-Bus at {socket_of(tmp_path)}: No such file or directory"


def test_a_frozen_bus_does_not_hold_a_call_beyond_its_deadline() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> str:
        await bus.state(UNIT)
        daemon.freeze()
        with pytest.raises(BusLostError) as told:
            await bus.state(UNIT, 0.1)
        daemon.thaw()
        return str(told.value)

    assert with_systemd(story) == "no answer from systemd to ListUnitsByNames in 0.1 s"


def test_a_bus_without_systemd_is_told_as_such() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> str:
        systemd.leave()
        with pytest.raises(BusLostError) as told:
            await bus.state(UNIT, 0.6)
        return str(told.value)

    assert with_systemd(story) == "no systemd on D-Bus: this host was not started by systemd"


def test_the_connection_is_made_again_when_the_bus_is_back() -> None:
    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> UnitState:
        await bus.state(UNIT)
        daemon.kill()
        with pytest.raises(BusLostError):
            await bus.state(UNIT, 0.2)
        daemon.start()
        await systemd.appear(daemon.address)
        return await bus.state(UNIT, 5.0)

    assert with_systemd(story).name == UNIT


def test_changes_are_heard_as_long_as_the_connection_stands_and_not_after_unsubscribing() -> None:
    heard: list[str] = []

    def changed(active: str, sub: str) -> None:
        heard.append(f"{active} ({sub})")

    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> list[bool]:
        path = path_of(UNIT)
        await bus.subscribe(path, changed)
        stood = [bus.hears(path, changed)]
        systemd.change("failed", "failed")
        await eventually_async(lambda: heard, 5, "the change is heard")
        bus.unsubscribe(path, changed)
        systemd.change("active", "running")
        await bus.state(UNIT)
        await bus.subscribe(path, changed)
        daemon.kill()
        await eventually_async(lambda: not bus.connected, 5, "the connection is lost")
        return [*stood, bus.hears(path, changed)]

    assert with_systemd(story) == [True, False]
    assert heard == ["failed (failed)"]


def test_what_a_listener_raises_reaches_the_loop_and_is_not_swallowed_s10() -> None:
    caught: list[object] = []

    def breaks(active: str, sub: str) -> None:
        raise RuntimeError("an invariant broke")

    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context.get("exception")))
        await bus.subscribe(path_of(UNIT), breaks)
        systemd.change("failed", "failed")
        await eventually_async(lambda: caught, 5, "the loop was told")

    with_systemd(story)
    assert "an invariant broke" in str(caught)


def test_a_signal_that_somebody_else_sends_is_not_believed() -> None:
    heard: list[str] = []

    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> None:
        path = path_of(UNIT)
        await bus.subscribe(path, lambda active, _: heard.append(active))
        stranger = await MessageBus(daemon.address).connect()
        changed = {"ActiveState": Variant("s", "failed"), "SubState": Variant("s", "failed")}
        forged = Message.new_signal(
            path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", [f"{NAME}.Unit", changed, []]
        )
        assert bus._bus is not None
        forged.destination = bus._bus.unique_name
        await stranger.send(forged)
        job = asyncio.create_task(bus.run_job("Stop", UNIT, 0.3))
        systemd.unit.result = None
        await eventually_async(lambda: systemd.jobs, 5, "the job was asked for")
        removed = Message.new_signal(ROOT, f"{NAME}.Manager", "JobRemoved", "uoss", [1, f"{ROOT}/job/1", UNIT, "done"])
        removed.destination = bus._bus.unique_name
        await stranger.send(removed)
        with pytest.raises(BusLostError):
            await job
        stranger.disconnect()

    with_systemd(story)
    assert heard == []


def test_a_systemd_that_comes_back_under_another_connection_is_believed() -> None:
    heard: list[str] = []

    async def story(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> None:
        await bus.subscribe(path_of(UNIT), lambda active, _: heard.append(active))
        before = bus._owner
        systemd.leave()
        again = FakeSystemd()
        await again.appear(daemon.address)
        await eventually_async(lambda: bus._owner not in ("", before), 5, "the new owner is known")
        await eventually_async(lambda: again.subscribed, 5, "it was asked for signals again")
        again.change("failed", "failed")
        await eventually_async(lambda: heard, 5, "the change is heard")
        again.leave()

    with_systemd(story)
    assert heard == ["failed"]
