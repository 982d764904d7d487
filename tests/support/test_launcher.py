"""Hooks have a deadline, and end with their controller (S4)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from failover.core.values import Verdict
from failover.support import launcher as launcher_module
from failover.support.command import Command, Outcome, hook_environment
from failover.support.hook_records import hooks_directory, read_records
from failover.support.launcher import Launcher, LauncherError
from tests.servers.wait import eventually, eventually_async
from tests.support.hooks import lives, number_in, session_is_empty, shell, with_launcher


def outcome_of(tmp_path: Path, command: Command) -> Outcome:
    return with_launcher(tmp_path, lambda launcher: launcher.run(command))


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("exit 0", Verdict.DONE),
        ("exit 1", Verdict.NOT_DONE),
        ("exit 2", Verdict.UNKNOWN),
        ("exit 127", Verdict.UNKNOWN),
        ("kill -TERM $$", Verdict.UNKNOWN),
        ("kill -KILL $$", Verdict.UNKNOWN),
    ],
)
def test_exit_0_is_done_and_1_is_not_done_and_all_else_is_unknown(tmp_path: Path, line: str, verdict: Verdict) -> None:
    assert outcome_of(tmp_path, shell(line)).verdict is verdict


def test_a_signal_is_told_apart_from_an_exit_code(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, shell("kill -TERM $$"))
    assert (outcome.exit_code, outcome.signal) == (None, signal.SIGTERM)
    assert outcome.describe() == "ended by signal 15"


def test_what_is_missing_was_not_started_and_is_unknown(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, Command(("/nonexistent/promote",), {}, 5.0, "promote"))
    assert not outcome.started
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.describe() == "could not be started: /nonexistent/promote: No such file or directory"


def test_what_may_not_be_executed_was_not_started(tmp_path: Path) -> None:
    script = tmp_path / "promote"
    script.write_text("#!/bin/sh\nexit 0\n")
    outcome = outcome_of(tmp_path, Command((str(script),), {}, 5.0, "promote"))
    assert (outcome.started, outcome.verdict) == (False, Verdict.UNKNOWN)
    assert "Permission denied" in outcome.error


def test_a_name_without_a_slash_is_searched_in_the_path(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, Command(("true",), hook_environment({}), 5.0, "test")).verdict is Verdict.DONE


def test_arguments_that_are_too_long_are_refused_in_words(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, Command(("/bin/true", "x" * 300_000), {}, 5.0, "test"))
    assert (outcome.started, outcome.error) == (False, "its arguments and environment are too long")


def test_a_nul_character_is_refused_in_words(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, Command(("/bin/true", "a\0b"), {}, 5.0, "test"))
    assert not outcome.started
    assert "null" in outcome.error


def test_both_streams_are_kept_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, shell("echo one; echo two >&2; echo three")).output == "one\ntwo\nthree\n"


def test_errors_are_kept_apart_where_the_output_is_an_answer(tmp_path: Path) -> None:
    command = Command(("/bin/sh", "-c", "echo warning >&2; echo active"), hook_environment({}), 5.0, "role", split=True)
    outcome = outcome_of(tmp_path, command)
    assert (outcome.output, outcome.errors) == ("active\n", "warning\n")
    assert outcome.describe() == "exit 0: warning"


def test_what_is_not_utf_8_is_replaced(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, shell(r"printf 'a\377b'")).output == "a�b"


def test_standard_input_is_handed_over_however_long(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, shell("wc -c", stdin=b"x" * 1_000_000)).output.strip() == "1000000"


def test_without_standard_input_a_read_ends_at_once(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, shell("cat; exit 0", timeout_s=5.0)).verdict is Verdict.DONE


def test_of_a_flood_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, shell("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last"))
    assert outcome.verdict is Verdict.DONE
    assert outcome.output.startswith("first\n")
    assert outcome.output.endswith("\nlast\n")
    assert "bytes left out" in outcome.output
    assert len(outcome.output.encode()) < 66_000


def test_an_endless_flood_is_ended_at_the_deadline_and_leaves_the_loop_free(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> tuple[Outcome, int]:
        turns = 0
        flood = asyncio.create_task(launcher.run(shell("yes", timeout_s=0.5)))
        while not flood.done():
            await asyncio.sleep(0.01)
            turns += 1
        return await flood, turns

    outcome, turns = with_launcher(tmp_path, story)
    assert outcome.timed_out
    assert turns > 10


def test_at_the_deadline_the_whole_group_is_ended_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    line = f"trap '' TERM; (trap '' TERM; sleep 60) & echo $! > {tmp_path}/child; sleep 60"
    began = time.monotonic()
    outcome = outcome_of(tmp_path, shell(line, timeout_s=1.5))
    assert 1.5 <= time.monotonic() - began < 12.0
    assert (outcome.timed_out, outcome.unstoppable, outcome.verdict) == (True, False, Verdict.UNKNOWN)
    assert outcome.describe() == "ended at its deadline"
    assert number_in(tmp_path / "child")
    assert not lives(number_in(tmp_path / "child"))


def test_at_the_deadline_what_left_the_group_but_not_the_session_ends_too(tmp_path: Path) -> None:
    line = f"set -m; sleep 60 & echo $! > {tmp_path}/child; sleep 60"
    assert outcome_of(tmp_path, shell(line, timeout_s=1.5)).timed_out
    assert number_in(tmp_path / "child")
    assert not lives(number_in(tmp_path / "child"))


def test_what_a_hook_leaves_in_its_group_ends_with_it(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, shell(f"sleep 60 & echo $! > {tmp_path}/child; exit 0"))
    assert outcome.verdict is Verdict.DONE
    assert not lives(number_in(tmp_path / "child"))


def test_a_service_in_a_session_of_its_own_outlives_its_hook_and_the_launcher(tmp_path: Path) -> None:
    service = "setsid sh -c 'echo $$ > service; exec sleep 60' </dev/null >/dev/null 2>&1 &"
    wait = "while [ ! -s service ]; do :; done"
    outcome = outcome_of(tmp_path, shell(f"cd {tmp_path}; {service} {wait}"))
    pid = number_in(tmp_path / "service")
    try:
        assert outcome.verdict is Verdict.DONE
        assert lives(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_service_that_keeps_the_hooks_output_open_does_not_hold_up_its_end(tmp_path: Path) -> None:
    line = f"cd {tmp_path}; setsid sh -c 'echo $$ > service; exec sleep 60' & while [ ! -s service ]; do :; done"
    began = time.monotonic()
    outcome = outcome_of(tmp_path, shell(line, timeout_s=40.0))
    os.kill(number_in(tmp_path / "service"), signal.SIGKILL)
    assert outcome.verdict is Verdict.DONE
    assert time.monotonic() - began < 30.0


def test_a_hook_is_on_disk_before_it_is_executed(tmp_path: Path) -> None:
    """S4: pid, start time and group; the hook itself finds them complete as its first act."""
    outcome = outcome_of(tmp_path, shell(f"cat {tmp_path}/hooks/$FAILOVER_HOOK_ID; cat /proc/$$/stat; echo"))
    *record, stat = outcome.output.strip().splitlines()
    fields = dict(line.split(" ", 1) for line in record)
    after_name = stat.rpartition(")")[2].split()
    assert fields["pid"] == stat.split()[0] == fields["group"]
    assert fields["start_time"] == after_name[19]
    assert fields["name"] == "test"


def test_a_hook_that_cannot_be_recorded_is_not_executed(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Outcome:
        hooks_directory(tmp_path).rmdir()
        return await launcher.run(shell(f"touch {tmp_path}/executed"))

    outcome = with_launcher(tmp_path, story)
    assert (outcome.started, outcome.verdict) == (False, Verdict.UNKNOWN)
    assert not (tmp_path / "executed").exists()


def test_the_record_goes_with_the_hook(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> tuple[int, int]:
        hook = asyncio.create_task(launcher.run(shell("sleep 60", timeout_s=2.0)))
        during = len(await eventually_async(lambda: read_records(tmp_path), 5.0, "the hook is recorded"))
        await hook
        return during, len(list(hooks_directory(tmp_path).iterdir()))

    assert with_launcher(tmp_path, story) == (1, 0)


def test_cancelling_is_complete_only_once_the_whole_group_is_gone(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> int:
        line = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; wait"
        hook = asyncio.create_task(launcher.run(shell(line)))
        child = await eventually_async(lambda: number_in(tmp_path / "child"), 5.0, "the hook has a child")
        hook.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hook
        assert not lives(child)
        assert not launcher.unstoppable
        return child

    with_launcher(tmp_path, story)


def test_cancelling_twice_still_waits_for_the_end(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> None:
        hook = asyncio.create_task(launcher.run(shell(f"echo $$ > {tmp_path}/pid; sleep 60")))
        pid = await eventually_async(lambda: number_in(tmp_path / "pid"), 5.0, "the hook runs")
        hook.cancel()
        await asyncio.sleep(0)
        hook.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hook
        assert not lives(pid)

    with_launcher(tmp_path, story)


def test_hooks_run_side_by_side(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> list[Outcome]:
        lines = [f"touch {tmp_path}/{n}; while [ ! -e {tmp_path}/{1 - n} ]; do sleep 0.01; done" for n in (0, 1)]
        return await asyncio.gather(*(launcher.run(shell(line)) for line in lines))

    assert all(outcome.verdict is Verdict.DONE for outcome in with_launcher(tmp_path, story))


def test_there_is_a_limit_to_the_number_of_hooks(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Outcome:
        many = [asyncio.create_task(launcher.run(shell("sleep 60"))) for _ in range(launcher_module.MOST_HOOKS)]
        await asyncio.sleep(0)
        outcome = await launcher.run(shell("exit 0"))
        for hook in many:
            hook.cancel()
        await asyncio.wait(many)
        return outcome

    outcome = with_launcher(tmp_path, story)
    assert (outcome.started, outcome.verdict) == (False, Verdict.UNKNOWN)


def test_alive_says_by_name_what_runs(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> list[bool]:
        hook = asyncio.create_task(launcher.run(shell("sleep 60", name="promote")))
        await asyncio.sleep(0)
        during = [launcher.alive("promote"), launcher.alive("demote")]
        hook.cancel()
        await asyncio.wait([hook])
        return [*during, launcher.alive("promote")]

    assert with_launcher(tmp_path, story) == [True, False, False]


def test_a_hook_inherits_nothing_but_its_three_streams(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, shell("ls /proc/self/fd")).output.split() == ["0", "1", "2", "3"]  # 3 is ls's own


def test_a_hook_starts_with_no_signal_ignored_or_blocked(tmp_path: Path) -> None:
    output = outcome_of(tmp_path, shell("grep -E '^Sig(Blk|Ign)' /proc/self/status")).output
    # 32 and 33 are the C library's own: what it leaves ignored for its children is not for anybody to change.
    own = sum(1 << (number - 1) for number in (32, 33))
    assert {int(line.split()[1], 16) & ~own for line in output.splitlines()} == {0}


def test_a_hook_gets_little_of_the_controllers_environment(tmp_path: Path) -> None:
    os.environ["SECRET_OF_THE_CONTROLLER"] = "x"
    try:
        environment = hook_environment({"FAILOVER_NODE": "db1"})
    finally:
        del os.environ["SECRET_OF_THE_CONTROLLER"]
    output = outcome_of(tmp_path, Command(("/usr/bin/env",), environment, 5.0, "test")).output
    names = {line.partition("=")[0] for line in output.splitlines()}
    assert {"PATH", "LANG", "FAILOVER_NODE", "FAILOVER_HOOK_ID"} <= names
    assert names <= {"PATH", "LANG", "LC_ALL", "HOME", "TZ", "FAILOVER_NODE", "FAILOVER_HOOK_ID"}


def test_closing_ends_the_running_hooks(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> tuple[int, asyncio.Task[Outcome]]:
        hook = asyncio.create_task(launcher.run(shell(f"echo $$ > {tmp_path}/pid; sleep 60")))
        return await eventually_async(lambda: number_in(tmp_path / "pid"), 5.0, "the hook runs"), hook

    pid, _ = with_launcher(tmp_path, story)
    assert not lives(pid)


def test_nothing_is_run_after_the_close(tmp_path: Path) -> None:
    async def story() -> Outcome:
        launcher = await Launcher.start(tmp_path)
        await launcher.close()
        return await launcher.run(shell("exit 0"))

    assert not asyncio.run(story()).started


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LauncherError, match="the hook launcher cannot be started"):
        asyncio.run(Launcher.start(tmp_path / "file"))


def test_a_launcher_that_dies_is_noticed_and_its_hooks_end(tmp_path: Path) -> None:
    """S10: `lost` lets the controller end itself; meanwhile no hook goes on unwatched."""

    async def story(launcher: Launcher) -> tuple[Outcome, int]:
        line = f"sleep 60 & echo $! > {tmp_path}/child; sleep 60"
        hook = asyncio.create_task(launcher.run(shell(line)))
        child = await eventually_async(lambda: number_in(tmp_path / "child"), 5.0, "the hook has a child")
        os.kill(launcher.pid, signal.SIGKILL)
        assert await asyncio.wait_for(asyncio.shield(launcher.lost), 5.0) == "the hook launcher ended"
        outcome = await hook
        assert not (await launcher.run(shell("exit 0"))).started
        return outcome, child

    outcome, child = with_launcher(tmp_path, story)
    assert (outcome.verdict, outcome.error) == (Verdict.UNKNOWN, "the hook launcher ended")
    eventually(lambda: not lives(child), 5.0, "the hook's child has ended")


def test_a_launcher_that_is_silent_is_as_good_as_lost(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Outcome:
        os.kill(launcher.pid, signal.SIGSTOP)
        outcome = await launcher.run(shell("exit 0", timeout_s=0.1))
        assert launcher.lost.result() == "the hook launcher does not answer"
        return outcome

    assert with_launcher(tmp_path, story).verdict is Verdict.UNKNOWN


CONTROLLER = """
import asyncio, sys
from failover.support.launcher import Launcher
from failover.support.command import Command, hook_environment

async def main():
    launcher = await Launcher.start(sys.argv[1])
    line = f"trap '' TERM; set -m; sleep 60 & set +m; sleep 60 & echo $$ > {sys.argv[1]}/pid; sleep 60"
    short = f"while [ ! -e {sys.argv[1]}/go ]; do sleep 0.02; done"
    await asyncio.gather(*(
        launcher.run(Command(("/bin/sh", "-c", line), hook_environment({}), 60.0, "hook")) for line in (line, short)
    ))

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_hooks_die_with_their_controller(tmp_path: Path, number: int) -> None:
    """S4, whatever ends it; everything of the hook's session."""
    controller = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(tmp_path)])
    pid = eventually(lambda: number_in(tmp_path / "pid"), 10.0, "the hook runs")
    assert not session_is_empty(pid)
    launcher = psutil.Process(pid).parent()
    controller.send_signal(number)
    controller.wait(5.0)
    eventually(lambda: session_is_empty(pid), 5.0, "the hook's session is empty")
    assert launcher is not None
    eventually(lambda: not lives(launcher.pid), 5.0, "the launcher has ended")
    assert read_records(tmp_path) == []


def test_hooks_die_with_a_controller_that_had_not_read_every_report(tmp_path: Path) -> None:
    """S4: the kernel then says "connection reset" to the launcher, not "the end"."""
    controller = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(tmp_path)])
    pid = eventually(lambda: number_in(tmp_path / "pid"), 10.0, "the hook runs")
    eventually(lambda: len(read_records(tmp_path)) == 2, 5.0, "the other hook runs, too")
    controller.send_signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    eventually(lambda: len(read_records(tmp_path)) == 1, 5.0, "the other hook's end has been reported")
    controller.kill()
    controller.wait(5.0)
    eventually(lambda: session_is_empty(pid), 5.0, "the hook's session is empty")
    eventually(lambda: not read_records(tmp_path), 5.0, "nothing is recorded any more")


def test_a_group_that_gets_ctrl_c_does_not_lose_its_launcher_before_its_controller(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> Outcome:
        assert os.getpgid(launcher.pid) != os.getpgrp()
        os.kill(launcher.pid, signal.SIGTERM)
        os.kill(launcher.pid, signal.SIGINT)
        return await launcher.run(shell("exit 0"))

    assert with_launcher(tmp_path, story).verdict is Verdict.DONE


def test_running_a_hook_costs_little_more_than_starting_a_process(tmp_path: Path) -> None:
    """Between the decision and the promote hook's start lie few milliseconds: a bound with room for a busy machine."""

    async def story(launcher: Launcher) -> float:
        command = Command(("/bin/true",), hook_environment({}), 5.0, "test")
        return min([await _timed(launcher, command) for _ in range(30)])

    ours_s = with_launcher(tmp_path, story)
    bare_s = min(_bare() for _ in range(30))
    assert ours_s < max(20 * bare_s, 0.1)


async def _timed(launcher: Launcher, command: Command) -> float:
    began = time.perf_counter()
    assert (await launcher.run(command)).verdict is Verdict.DONE
    return time.perf_counter() - began


def _bare() -> float:
    began = time.perf_counter()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    return time.perf_counter() - began


def test_the_launcher_is_small(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> int:
        return int(psutil.Process(launcher.pid).memory_full_info().uss)

    assert with_launcher(tmp_path, story) < 8 * 1024 * 1024


def test_what_a_command_gets_through_its_standard_input_is_not_in_its_repr() -> None:
    """A fence agent's passwords go there; a traceback, a debugger or a log may show the command."""
    assert "hunter2" not in repr(Command(("/bin/cat",), {}, 1.0, "fence-power-off", b"password=hunter2\n"))
