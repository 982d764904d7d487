"""`kind: systemd`: a job's result counts, a demote only if nothing is left (S3); a lost bus is never `done` (S5)."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from config.models import SystemdControlSettings
from failover.control import CONTROLS, ControlContext
from failover.control.hooks import AskingHooks, Hook, HookAsker
from failover.control.rights import Rights
from failover.control.systemd import Order, SystemdControl, UnitOrders
from failover.core.effects import Demote, Follow, Promote
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Result, Standing
from failover.support.control_groups import ControlGroupError, processes_in
from failover.support.launcher import Launcher
from failover.support.systemd_bus import SystemdBus
from tests.servers.wait import eventually_async
from tests.support.fake_systemd import UNIT, Bus, FakeSystemd, Unit, no_processes, with_systemd

T = TypeVar("T")

PROMOTE = Promote(attempt=7, epoch=42, reason="the lock was free", old_active="db2")
DEMOTE = Demote(attempt=8, epoch=42, reason="unhealthy")
PROMOTER = "orders-active.service"
START, STOP = Order("start", UNIT, 5.0), Order("stop", UNIT, 5.0)
ACTIVE, STANDBY, UNKNOWN = ServiceRole.ACTIVE, ServiceRole.STANDBY, ServiceRole.UNKNOWN


def up() -> Unit:
    return Unit(active="active", sub="running", group=f"/system.slice/{UNIT}")


def told_by(
    folder: Path,
    story: Callable[[SystemdControl, FakeSystemd, Bus], Awaitable[T]],
    promote: Order = START,
    demote: Order = STOP,
    role: str = "",
    left: Callable[[str], list[int]] = no_processes,
    root: bool = True,
    **units: Unit,
) -> T:
    """Run `story` with a control over a fake systemd; `role`: a shell line, with which a standby runs."""

    async def told(systemd: FakeSystemd, bus: SystemdBus, daemon: Bus) -> T:
        launcher = await Launcher.start(folder) if role else None
        hook = Hook(("/bin/sh", "-c", role), 2.0) if role else None
        asker = HookAsker(cast(Launcher, launcher), AskingHooks("orders-db", "db1", role=hook))
        orders = UnitOrders(UNIT, not role, promote, demote, hook)
        try:
            return await story(SystemdControl(bus, orders, asker, left, Rights(bus, UNIT, root)), systemd, daemon)
        finally:
            if launcher is not None:
                await launcher.close()

    return with_systemd(told, FakeSystemd(**units))


def promoted(folder: Path, **given: Any) -> Result:
    return told_by(folder, lambda control, *_: control.promote(PROMOTE), **given)


def demoted(folder: Path, **given: Any) -> Result:
    return told_by(folder, lambda control, *_: control.demote(DEMOTE), **{"orders_db": up(), **given})


# --- promote --------------------------------------------------------------------------------------


def test_a_started_unit_is_promoted_and_a_second_promote_changes_nothing(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> list[Result]:
        return [await control.promote(PROMOTE), await control.promote(PROMOTE)]

    done = Result(Verdict.DONE, f"start {UNIT}: done, {UNIT} is active (running)")
    assert told_by(tmp_path, story) == [done, done]


@pytest.mark.parametrize(
    ("result", "verdict", "words"),
    [
        ("failed", Verdict.NOT_DONE, "it failed; see: journalctl -u orders-db.service"),
        ("skipped", Verdict.NOT_DONE, "its ExecCondition= (or a Condition…=) said no"),
        ("dependency", Verdict.NOT_DONE, "a unit that it needs failed"),
        ("invalid", Verdict.NOT_DONE, "the job ended as invalid"),
        ("canceled", Verdict.UNKNOWN, "another job took its place"),
        ("timeout", Verdict.UNKNOWN, "systemd's own time-out passed"),
    ],
)
def test_a_start_that_was_not_done_is_told_by_its_result(
    tmp_path: Path, result: str, verdict: Verdict, words: str
) -> None:
    said = promoted(tmp_path, orders_db=Unit(result=result))
    assert said.verdict is verdict
    assert words in said.detail


def test_a_unit_that_is_dead_by_the_time_its_start_is_done_is_not_promoted(tmp_path: Path) -> None:
    said = promoted(tmp_path, orders_db=Unit(after={"Start": ("failed", "failed")}))
    assert said == Result(Verdict.NOT_DONE, f"start {UNIT}: done, but {UNIT} is failed (failed)")


def test_a_start_that_does_not_end_in_time_is_unknown(tmp_path: Path) -> None:
    said = promoted(tmp_path, promote=Order("start", UNIT, 1.0), orders_db=Unit(result=None))
    assert said.verdict is Verdict.UNKNOWN
    assert "the job was not over after" in said.detail


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (("inactive", "dead"), Verdict.DONE),
        (("active", "exited"), Verdict.DONE),
        (("failed", "failed"), Verdict.NOT_DONE),
    ],
)
def test_a_unit_that_only_promotes_may_be_over_but_must_not_have_failed(
    tmp_path: Path, after: tuple[str, str], verdict: Verdict
) -> None:
    given = {"orders_db": up(), "orders_active": Unit(after={"Start": after})}
    said = promoted(tmp_path, promote=Order("start", PROMOTER, 5.0), role="echo active", **given)
    assert said.verdict is verdict


def test_a_promoted_service_whose_own_unit_is_down_is_not_promoted(tmp_path: Path) -> None:
    said = promoted(tmp_path, promote=Order("start", PROMOTER, 5.0), orders_active=Unit())
    assert said == Result(Verdict.NOT_DONE, f"start {PROMOTER}: done, but {UNIT} is inactive (dead)")


def test_a_promote_whose_attempt_is_over_stops_what_it_has_started(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> list[str]:
        promoting = asyncio.create_task(control.promote(PROMOTE))
        await eventually_async(lambda: systemd.jobs, 5, "the job was asked for")
        systemd.unit.result = "done"
        promoting.cancel()
        await asyncio.wait([promoting])
        assert promoting.cancelled()
        return systemd.jobs

    assert told_by(tmp_path, story, orders_db=Unit(result=None)) == [f"start {UNIT}", f"stop {UNIT}"]


# --- demote ---------------------------------------------------------------------------------------


def test_a_stopped_unit_of_which_nothing_runs_is_demoted(tmp_path: Path) -> None:
    assert demoted(tmp_path) == Result(Verdict.DONE, f"stop {UNIT}: done, and nothing of {UNIT} runs")


@pytest.mark.parametrize("group", ["", f"/system.slice/{UNIT}"])
def test_processes_that_are_left_in_the_control_group_make_it_unknown(tmp_path: Path, group: str) -> None:
    asked = []

    def left(of: str) -> list[int]:
        asked.append(of)
        return [7, 8]

    said = demoted(tmp_path, left=left, orders_db=Unit(active="active", sub="running", group=group))
    assert said.verdict is Verdict.UNKNOWN
    assert "2 of its processes run on (7, 8)" in said.detail
    assert set(asked) == {f"/system.slice/{UNIT}"}, "also where systemd has forgotten the group"


def test_a_control_group_that_cannot_be_read_makes_it_unknown(tmp_path: Path) -> None:
    def unreadable(group: str) -> list[int]:
        raise ControlGroupError("no control groups under /sys/fs/cgroup")

    said = demoted(tmp_path, left=unreadable)
    assert said.verdict is Verdict.UNKNOWN
    assert "cannot be seen" in said.detail


@pytest.mark.parametrize(
    ("unit", "verdict", "words"),
    [
        (Unit(result="failed"), Verdict.NOT_DONE, "it failed"),
        (Unit(after={"Stop": ("deactivating", "stop-sigkill")}), Verdict.UNKNOWN, f"{UNIT} is deactivating"),
        (Unit(after={"Stop": ("active", "running")}), Verdict.UNKNOWN, f"{UNIT} is active (running)"),
        (Unit(job="start"), Verdict.UNKNOWN, f"a job waits to start {UNIT}"),
        (Unit(load="not-found"), Verdict.UNKNOWN, f"there is no unit {UNIT} on this host"),
    ],
)
def test_a_stop_that_leaves_doubt_is_never_done(tmp_path: Path, unit: Unit, verdict: Verdict, words: str) -> None:
    said = demoted(tmp_path, orders_db=unit)
    assert said.verdict is verdict
    assert words in said.detail


def test_a_stop_that_does_not_end_in_time_is_unknown(tmp_path: Path) -> None:
    said = demoted(tmp_path, demote=Order("stop", UNIT, 0.2), orders_db=Unit(active="active", result=None))
    assert said.verdict is Verdict.UNKNOWN


def test_a_control_group_that_systemd_does_not_tell_keeps_no_service_running_but_makes_it_unknown(
    tmp_path: Path,
) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> tuple[Result, list[str]]:
        systemd.refuse["Get"] = "no such property"
        return await control.demote(DEMOTE), systemd.jobs

    said, jobs = told_by(tmp_path, story, left=processes_in, orders_db=up())
    assert jobs == [f"stop {UNIT}"]
    assert said.verdict is Verdict.UNKNOWN
    assert "what is left of it cannot be seen" in said.detail


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_bus_that_is_lost_is_unknown(tmp_path: Path, when: str) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, daemon: Bus) -> Result:
        if when == "before":
            daemon.kill()
            return await control.demote(DEMOTE)
        demoting = asyncio.create_task(control.demote(DEMOTE))
        await eventually_async(lambda: systemd.jobs, 5, "the job was asked for")
        daemon.kill()
        return await demoting

    said = told_by(
        tmp_path,
        story,
        demote=Order("stop", UNIT, 0.5 if when == "before" else 10.0),
        orders_db=Unit(active="active", result=None),
    )
    assert said.verdict is Verdict.UNKNOWN
    assert "D-Bus" in said.detail


@pytest.mark.parametrize(
    ("role", "verdict"),
    [("echo standby", Verdict.DONE), ("echo active", Verdict.NOT_DONE), ("exit 3", Verdict.UNKNOWN)],
)
def test_where_standbys_run_the_role_hook_decides(tmp_path: Path, role: str, verdict: Verdict) -> None:
    said = demoted(tmp_path, role=role, demote=Order("reload", UNIT, 3.0), promote=Order("start", UNIT, 3.0))
    assert said.verdict is verdict


def test_a_unit_that_is_stopped_is_demoted_whatever_the_role_hook_cannot_say(tmp_path: Path) -> None:
    assert demoted(tmp_path, role="exit 3").verdict is Verdict.DONE


def test_a_restart_that_systemd_refuses_as_at_shut_down_becomes_a_stop(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> Result:
        systemd.refuse["RestartUnit"] = "Transaction is destructive"
        return await control.demote(DEMOTE)

    said = told_by(tmp_path, story, demote=Order("restart", UNIT, 5.0), role="echo active", orders_db=up())
    assert said.verdict is Verdict.DONE
    assert (
        "restart orders-db.service: systemd refused: Transaction is destructive; stop orders-db.service" in said.detail
    )
    assert "nothing of orders-db.service runs" in said.detail


def test_where_systemd_refuses_restart_and_stop_a_demote_is_not_done_whatever_the_role_says_s3(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> Result:
        systemd.refuse.update(RestartUnit="Transaction is destructive", StopUnit="Access denied")
        return await control.demote(DEMOTE)

    said = told_by(tmp_path, story, demote=Order("restart", UNIT, 5.0), role="echo standby", orders_db=up())
    assert said.verdict is Verdict.NOT_DONE
    assert "Transaction is destructive" in said.detail
    assert "stop orders-db.service: systemd refused: Access denied" in said.detail


def test_a_unit_that_promotes_is_stopped_before_the_demote(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> tuple[Result, list[str]]:
        return await control.demote(DEMOTE), systemd.jobs

    promoter = Unit(active="activating", sub="start")
    said, jobs = told_by(tmp_path, story, promote=Order("start", PROMOTER, 5.0), orders_db=up(), orders_active=promoter)
    assert jobs == [f"stop {PROMOTER}", f"stop {UNIT}"]
    assert said.verdict is Verdict.DONE


def test_with_a_promoting_unit_that_cannot_be_stopped_a_demote_is_unknown_s4(tmp_path: Path) -> None:
    promoter = Unit(active="activating", sub="start", result="failed")
    said = demoted(tmp_path, promote=Order("start", PROMOTER, 5.0), orders_active=promoter)
    assert said.verdict is Verdict.UNKNOWN
    assert "a promote may still run" in said.detail


def test_with_a_reload_that_may_still_promote_a_demote_is_unknown_s4(tmp_path: Path) -> None:
    unit = Unit(active="reloading", sub="reload", after={"Start": ("active", "running")})
    said = demoted(
        tmp_path,
        role="echo standby",
        promote=Order("reload", UNIT, 5.0),
        demote=Order("start", PROMOTER, 5.0),
        orders_db=unit,
        orders_active=Unit(),
    )
    assert said.verdict is Verdict.UNKNOWN
    assert f"a promote may still run: {UNIT} is reloading" in said.detail


# --- role and standing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "role"),
    [
        (Unit(active="active"), ACTIVE),
        (Unit(active="reloading"), ACTIVE),
        (Unit(active="inactive"), STANDBY),
        (Unit(active="failed"), STANDBY),
        (Unit(active="activating"), UNKNOWN),
        (Unit(active="deactivating"), UNKNOWN),
        (Unit(active="inactive", job="start"), UNKNOWN),
        (Unit(load="not-found"), UNKNOWN),
    ],
)
def test_a_unit_that_runs_on_the_active_only_says_the_role_by_its_state(
    tmp_path: Path, unit: Unit, role: ServiceRole
) -> None:
    assert told_by(tmp_path, lambda control, *_: control.role(), orders_db=unit) is role


def test_a_unit_that_is_down_with_processes_left_is_no_standby(tmp_path: Path) -> None:
    assert told_by(tmp_path, lambda control, *_: control.role(), left=lambda _: [7]) is UNKNOWN


def test_where_standbys_run_only_the_hook_says_the_role(tmp_path: Path) -> None:
    assert told_by(tmp_path, lambda control, *_: control.role(), role="echo standby", orders_db=up()) is STANDBY


def test_without_a_bus_the_role_is_unknown_and_the_node_is_barred(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, daemon: Bus) -> tuple[ServiceRole, Standing]:
        daemon.kill()
        return await asyncio.gather(control.role(), control.standing())

    role, standing = told_by(tmp_path, story)
    assert role is UNKNOWN
    assert standing.bar.startswith("systemd cannot be asked: ")


@pytest.mark.parametrize(
    ("load", "bar"),
    [
        ("loaded", ""),
        ("not-found", f"there is no unit {UNIT} on this host: is control.unit spelt as systemctl spells it?"),
        ("masked", f"systemd cannot use {UNIT} (masked); see: systemctl status {UNIT}"),
    ],
)
def test_a_unit_that_cannot_be_started_bars_the_node(tmp_path: Path, load: str, bar: str) -> None:
    assert told_by(tmp_path, lambda control, *_: control.standing(), orders_db=Unit(load=load)).bar == bar


def test_who_may_not_steer_the_unit_is_no_candidate_until_it_may(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> list[str]:
        systemd.forbidden = {"StopUnit"}
        role = await control.role()
        bars = [role.value, (await control.standing()).bar]
        systemd.forbidden = set()
        return [*bars, (await control.standing()).bar, *systemd.jobs]

    role, bar, later, *jobs = told_by(tmp_path, story, root=False)
    assert (role, later) == ("standby", "")
    assert bar.startswith(f"stop {UNIT}: systemd refused: Interactive authentication required.")
    assert jobs == [f"stop {UNIT}"], "once it may, it is asked no more"


@pytest.mark.parametrize(
    ("root", "unit"), [(True, Unit()), (False, up()), (False, Unit(job="start")), (False, Unit(load="not-found"))]
)
def test_a_right_is_tried_only_where_that_changes_nothing(tmp_path: Path, root: bool, unit: Unit) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> list[str]:
        await control.role()
        await control.standing()
        return systemd.jobs

    assert told_by(tmp_path, story, root=root, orders_db=unit) == []


def test_a_right_is_not_tried_against_a_job_that_has_just_begun(tmp_path: Path) -> None:
    async def story(control: SystemdControl, systemd: FakeSystemd, _: Bus) -> list[str]:
        systemd.begins = "start"
        await control.role()
        return systemd.jobs

    assert told_by(tmp_path, story, root=False) == []


# --- built as configured --------------------------------------------------------------------------


def test_a_control_is_built_as_it_is_configured(tmp_path: Path) -> None:
    written = {
        "kind": "systemd",
        "unit": UNIT,
        "standby": "running",
        "promote": {"start": PROMOTER, "timeout": "3s"},
        "demote": {"restart": UNIT},
        "role": {"run": "echo standby"},
        "follow": {"run": "exit 1"},
    }

    async def story(systemd: FakeSystemd, bus: SystemdBus, _: Bus) -> list[object]:
        launcher = await Launcher.start(tmp_path)
        context = ControlContext(launcher, "orders-db", "db1", systemd=lambda: bus)
        control = CONTROLS["systemd"](SystemdControlSettings.model_validate(written), context)
        try:
            await control.promote(PROMOTE)
            demoted = await control.demote(DEMOTE)
            followed = await control.follow(Follow(9, 43, "db2", "10.0.0.12:8300"))
            return [demoted.verdict, followed.verdict, *systemd.jobs]
        finally:
            await launcher.close()

    units = FakeSystemd(orders_db=up(), orders_active=Unit())
    assert with_systemd(story, units) == [
        Verdict.DONE,
        Verdict.NOT_DONE,
        f"start {PROMOTER}",
        f"stop {PROMOTER}",
        f"restart {UNIT}",
    ]


def test_by_default_the_units_own_start_and_stop_are_the_orders() -> None:
    settings = SystemdControlSettings.model_validate({"kind": "systemd", "unit": UNIT})
    assert (settings.promote_order, settings.demote_order) == (("start", UNIT), ("stop", UNIT))
    assert (settings.standby, settings.tells_role) == ("stopped", True)
