"""`kind: command`: three answers, never two; a demote counts only if the service agrees (S3, S5)."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from config.models.control import CONTROL_KINDS, CommandControlSettings
from failover.control import CONTROLS, ControlContext
from failover.control.command import CommandControl, CommandHooks, Hook
from failover.core.effects import Demote, Follow, Promote
from failover.core.values import ServiceRole, Verdict
from failover.ports.service import Result, Sight, Standing
from failover.support.hook_records import hooks_directory
from failover.support.launcher import Launcher
from failover.support.spawner import boot_id, start_time
from tests.servers.wait import eventually_async
from tests.support.hooks import lives, number_in, with_launcher

PROMOTE = Promote(attempt=7, epoch=42, reason="the lock was free", old_active="db2")
DEMOTE = Demote(attempt=8, epoch=42, reason="unhealthy")
FOLLOW = Follow(attempt=9, epoch=43, active="db2", address="10.0.0.12:8300")


def sh(line: str, timeout_s: float = 5.0) -> Hook:
    return Hook(("/bin/sh", "-c", line), timeout_s)


def control_of(launcher: Launcher, **hooks: Hook) -> CommandControl:
    """A control whose unnamed hooks succeed."""
    given = {"promote": sh("exit 0"), "demote": sh("exit 0"), "role": sh("echo standby"), **hooks}
    addresses = {"db1": "10.0.0.11", "db2": "10.0.0.12"}
    return CommandControl(launcher, CommandHooks("orders-db", "db1", addresses=addresses, **given))


def demoted(state_dir: Path, ask: Demote = DEMOTE, **hooks: Hook) -> Result:
    return with_launcher(state_dir, lambda launcher: control_of(launcher, **hooks).demote(ask))


@pytest.mark.parametrize(
    ("line", "verdict"),
    [("exit 0", Verdict.DONE), ("exit 1", Verdict.NOT_DONE), ("exit 3", Verdict.UNKNOWN)],
)
def test_promote_demote_and_follow_answer_by_the_exit_code(tmp_path: Path, line: str, verdict: Verdict) -> None:
    async def story(launcher: Launcher) -> list[Result]:
        control = control_of(launcher, promote=sh(line), demote=sh(line), follow=sh(line))
        return [await control.promote(PROMOTE), await control.demote(DEMOTE), await control.follow(FOLLOW)]

    assert [result.verdict for result in with_launcher(tmp_path, story)] == [verdict] * 3


def test_a_promote_that_does_not_end_in_time_is_unknown(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Result:
        return await control_of(launcher, promote=sh("sleep 60", timeout_s=0.2)).promote(PROMOTE)

    assert with_launcher(tmp_path, story) == Result(Verdict.UNKNOWN, "promote: ended at its deadline")


def test_the_detail_ends_with_what_the_hook_said_last(tmp_path: Path) -> None:
    result = demoted(tmp_path, demote=sh("echo stopping; echo 'cannot stop' >&2; exit 1"))
    assert result == Result(Verdict.NOT_DONE, "demote: exit 1: cannot stop")


def told(state_dir: Path, which: str) -> dict[str, str]:
    """What a hook finds in its environment, by names without their FAILOVER_."""
    note = sh(f"env | grep ^FAILOVER_ > {state_dir}/told; echo standby")

    async def story(launcher: Launcher) -> None:
        control = control_of(launcher, **{which: note})
        await {
            "promote": lambda: control.promote(PROMOTE),
            "demote": lambda: control.demote(DEMOTE),
            "follow": lambda: control.follow(FOLLOW),
            "role": lambda: control.role(),
        }[which]()  # type: ignore[no-untyped-call]

    with_launcher(state_dir, story)
    lines = (state_dir / "told").read_text().splitlines()
    names = dict(line.removeprefix("FAILOVER_").split("=", 1) for line in lines)
    del names["HOOK_ID"]
    return names


def test_promote_is_told_its_epoch_and_who_was_active(tmp_path: Path) -> None:
    assert told(tmp_path, "promote") == {
        "SERVICE": "orders-db",
        "NODE": "db1",
        "EPOCH": "42",
        "ATTEMPT": "7",
        "REASON": "the lock was free",
        "OLD_ACTIVE": "db2",
        "ACTIVE": "db1",
        "ACTIVE_ADDRESS": "10.0.0.11",
    }


def test_follow_is_told_who_is_active_and_where(tmp_path: Path) -> None:
    facts = told(tmp_path, "follow")
    assert (facts["EPOCH"], facts["ACTIVE"], facts["ACTIVE_ADDRESS"]) == ("43", "db2", "10.0.0.12")


@pytest.mark.parametrize("which", ["demote", "role"])
def test_every_name_is_set_for_every_hook(tmp_path: Path, which: str) -> None:
    """A hook under `set -u` must not fail over a name that does not apply."""
    names = {"SERVICE", "NODE", "EPOCH", "ATTEMPT", "REASON", "OLD_ACTIVE", "ACTIVE", "ACTIVE_ADDRESS"}
    assert set(told(tmp_path, which)) == names


def test_without_a_follow_hook_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert with_launcher(tmp_path, lambda launcher: control_of(launcher).follow(FOLLOW)).verdict is Verdict.DONE


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("echo active", ServiceRole.ACTIVE),
        ("echo standby", ServiceRole.STANDBY),
        ("echo '  StandBy '; echo more", ServiceRole.STANDBY),
        ("echo ACTIVE", ServiceRole.ACTIVE),
        ("echo 'warning: active collation' >&2; echo standby", ServiceRole.STANDBY),
        ("echo active >&2", ServiceRole.UNKNOWN),
        ("echo master", ServiceRole.UNKNOWN),
        ("echo active standby", ServiceRole.UNKNOWN),
        ("exit 0", ServiceRole.UNKNOWN),
        ("echo standby; exit 1", ServiceRole.UNKNOWN),
        ("echo standby; sleep 60", ServiceRole.UNKNOWN),
    ],
)
def test_role_is_believed_only_when_it_says_one_of_two_words(tmp_path: Path, line: str, role: ServiceRole) -> None:
    async def story(launcher: Launcher) -> ServiceRole:
        return await control_of(launcher, role=sh(line, timeout_s=0.5 if "sleep" in line else 20.0)).role()

    assert with_launcher(tmp_path, story) is role


def test_without_a_role_hook_the_role_is_unknown(tmp_path: Path) -> None:
    hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=sh("exit 0"))
    assert with_launcher(tmp_path, lambda launcher: CommandControl(launcher, hooks).role()) is ServiceRole.UNKNOWN


def test_a_demote_is_done_only_if_role_says_standby(tmp_path: Path) -> None:
    """S3."""
    assert demoted(tmp_path, role=sh("echo standby")).verdict is Verdict.DONE
    assert demoted(tmp_path, role=sh("echo active")).verdict is Verdict.NOT_DONE
    assert demoted(tmp_path, role=sh("exit 1")).verdict is Verdict.UNKNOWN


def test_a_service_that_takes_a_moment_to_say_standby_is_asked_again(tmp_path: Path) -> None:
    role = sh(f"if mkdir {tmp_path}/asked; then echo active; else echo standby; fi")
    assert demoted(tmp_path, role=role).verdict is Verdict.DONE


@pytest.mark.parametrize(
    ("role", "verdict"), [("echo active", Verdict.NOT_DONE), ("echo standby", Verdict.DONE), ("exit 2", Verdict.DONE)]
)
def test_a_process_that_is_gone_needs_no_role_but_one_that_says_active_wins_s3(
    tmp_path: Path, role: str, verdict: Verdict
) -> None:
    """A helper process may have ended while the service itself goes on."""
    ask = Demote(attempt=8, epoch=42, gone=True)
    assert demoted(tmp_path, ask, role=sh(role)).verdict is verdict


@pytest.mark.parametrize(
    ("role", "verdict"), [("echo active", Verdict.NOT_DONE), ("echo standby", Verdict.DONE), ("exit 2", Verdict.DONE)]
)
def test_a_service_whose_last_worker_ends_while_it_is_demoted_is_gone_s3(
    tmp_path: Path, role: str, verdict: Verdict
) -> None:
    ends = iter((3, *[4] * 20))

    async def story(launcher: Launcher) -> Result:
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=sh("exit 0"), role=sh(role))
        return await CommandControl(launcher, hooks, ends=lambda: next(ends)).demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is verdict


def test_a_service_whose_last_worker_ends_while_role_is_asked_is_gone_s3(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Result:
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=sh("exit 0"), role=sh(f"touch {asked}"))
        return await CommandControl(launcher, hooks, ends=lambda: int(asked.exists())).demote(DEMOTE)

    asked = tmp_path / "asked"
    assert with_launcher(tmp_path, story).verdict is Verdict.DONE


def test_an_end_from_before_the_demote_says_nothing_of_it_s3(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Result:
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=sh("exit 0"), role=sh("exit 2"))
        return await CommandControl(launcher, hooks, ends=lambda: 5).demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("up", "verdict"), [("", Verdict.DONE), ("tcp 127.0.0.1:5432", Verdict.UNKNOWN)])
def test_without_a_role_hook_the_probes_must_agree_that_the_service_is_down_s3(
    tmp_path: Path, up: str, verdict: Verdict
) -> None:
    async def look() -> Sight:
        return Sight(up)

    async def story(launcher: Launcher) -> Result:
        demote = sh("exit 0", timeout_s=0.3 if up else 20.0)
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=demote)
        return await CommandControl(launcher, hooks, look, standby_stopped=True).demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is verdict


@pytest.mark.parametrize(
    ("sight", "verdict"),
    [
        (Sight(absent=True), Verdict.DONE),
        (Sight("tcp 127.0.0.1:5432"), Verdict.UNKNOWN),
        (Sight(), Verdict.UNKNOWN),  # a port that does not answer is not the end of a process
    ],
)
def test_where_role_cannot_be_asked_only_a_process_that_is_not_there_makes_a_demote_done_s3(
    tmp_path: Path, sight: Sight, verdict: Verdict
) -> None:
    async def look() -> Sight:
        return sight

    async def story(launcher: Launcher) -> Result:
        demote = sh("exit 0", timeout_s=20.0 if sight.absent else 0.5)
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=demote, role=sh("exit 2"))
        return await CommandControl(launcher, hooks, look).demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is verdict


def test_probes_that_do_not_answer_do_not_hold_up_a_demote_s6(tmp_path: Path) -> None:
    async def look() -> Sight:
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def story(launcher: Launcher) -> Result:
        demote = sh("exit 0", timeout_s=0.3)
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=demote, role=sh("exit 2"))
        return await CommandControl(launcher, hooks, look).demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is Verdict.UNKNOWN


def test_without_role_and_probes_nothing_tells_that_a_demote_worked_s3(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Result:
        hooks = CommandHooks("orders-db", "db1", promote=sh("exit 0"), demote=sh("exit 0"))
        return await CommandControl(launcher, hooks).demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is Verdict.UNKNOWN


def test_role_is_asked_within_the_demotes_own_deadline(tmp_path: Path) -> None:
    """S6: the demote, its deadline included, must end before the lease does."""

    async def story(launcher: Launcher) -> tuple[Result, float]:
        control = control_of(launcher, demote=sh("sleep 0.3", timeout_s=0.6), role=sh("sleep 60", timeout_s=30.0))
        loop = asyncio.get_running_loop()
        began = loop.time()
        return await control.demote(DEMOTE), loop.time() - began

    result, took_s = with_launcher(tmp_path, story)
    assert result.verdict is Verdict.UNKNOWN
    assert took_s < 15.0, "role's own deadline is 30 s"


def test_a_failed_demote_is_not_mended_by_what_role_says(tmp_path: Path) -> None:
    assert demoted(tmp_path, demote=sh("exit 2"), role=sh("echo standby")).verdict is Verdict.UNKNOWN


def test_a_demote_beside_a_promote_that_lives_on_is_at_most_unknown(tmp_path: Path) -> None:
    """S4: here one that a predecessor started and nobody could end."""
    promote = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    record = (
        f"pid {promote.pid}\nstart_time {start_time(promote.pid)}\ngroup {promote.pid}\nboot_id {boot_id()}\n"
        "controller 4194305\ncontroller_start_time 1\nname promote\n"
    )
    hooks_directory(tmp_path).mkdir()
    (hooks_directory(tmp_path) / "promote-1").write_text(record)

    async def story(launcher: Launcher) -> list[Result]:
        control = control_of(launcher, role=sh("echo standby"))
        during = await control.demote(DEMOTE)
        promote.kill()
        promote.wait()
        return [during, await control.demote(DEMOTE)]

    during, after = with_launcher(tmp_path, story)
    assert during.verdict is Verdict.UNKNOWN
    assert "a promote that could not be ended" in during.detail
    assert after.verdict is Verdict.DONE


def test_cancelling_a_promote_ends_it_so_that_a_demote_may_be_done(tmp_path: Path) -> None:
    """S4: a hook whose attempt is over is ended before the next starts."""

    async def story(launcher: Launcher) -> Result:
        control = control_of(launcher, promote=sh(f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 60; :"))
        promote = asyncio.create_task(control.promote(PROMOTE))
        pid = await eventually_async(lambda: number_in(tmp_path / "pid"), 5.0, "the promote runs")
        promote.cancel()
        await asyncio.wait([promote])
        assert not lives(pid)
        return await control.demote(DEMOTE)

    assert with_launcher(tmp_path, story).verdict is Verdict.DONE


def test_a_promote_may_start_a_service_that_outlives_it(tmp_path: Path) -> None:
    service = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' </dev/null >/dev/null 2>&1 &"
    wait = f"while [ ! -s {tmp_path}/pid ]; do :; done"

    async def story(launcher: Launcher) -> Result:
        return await control_of(launcher, promote=sh(f"{service} {wait}")).promote(PROMOTE)

    result = with_launcher(tmp_path, story)
    pid = number_in(tmp_path / "pid")
    assert lives(pid)
    os.kill(pid, signal.SIGKILL)
    assert result.verdict is Verdict.DONE


def test_every_kind_that_can_be_configured_can_be_built() -> None:
    assert set(CONTROLS) == set(CONTROL_KINDS)


def test_a_control_is_built_as_it_is_configured(tmp_path: Path) -> None:
    written = {
        "kind": "command",
        "promote": {"run": "exit 0", "timeout": "3s"},
        "demote": {"run": ["/bin/sh", "-c", "exit 1"]},
        "follow": {"run": "exit 1"},
        "role": {"run": "echo active", "timeout": "1s"},
    }
    settings = CommandControlSettings.model_validate(written)

    async def story(launcher: Launcher) -> list[object]:
        control = CONTROLS["command"](settings, ControlContext(launcher, "orders-db", "db1"))
        answers = [await control.promote(PROMOTE), await control.demote(DEMOTE), await control.follow(FOLLOW)]
        return [*(answer.verdict for answer in answers), await control.role()]

    wanted = [Verdict.DONE, Verdict.NOT_DONE, Verdict.NOT_DONE, ServiceRole.ACTIVE]
    assert with_launcher(tmp_path, story) == wanted


@pytest.mark.parametrize(
    ("position", "ready", "standing"),
    [
        ("echo 42", "exit 0", Standing(42, "")),
        ("echo -1", "exit 0", Standing(None, "")),
        ("echo forty; exit 0", "echo still loading; exit 1", Standing(None, "ready: exit 1: still loading")),
        ("echo 42; exit 1", "exit 7", Standing(None, "ready: exit 7")),
    ],
)
def test_position_and_ready_say_how_fit_for_promotion_the_service_is(
    tmp_path: Path, position: str, ready: str, standing: Standing
) -> None:
    async def story(launcher: Launcher) -> Standing:
        return await control_of(launcher, position=sh(position), ready=sh(ready)).standing()

    assert with_launcher(tmp_path, story) == standing


def test_without_such_hooks_nothing_bars_a_promotion(tmp_path: Path) -> None:
    assert with_launcher(tmp_path, lambda launcher: control_of(launcher).standing()) == Standing()
