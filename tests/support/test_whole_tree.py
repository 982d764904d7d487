"""What a hook started ends with it, where its whole tree is asked for: also what left its session (fence agents)."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from failover.support.command import Outcome
from failover.support.hook_records import end_recorded_hooks
from failover.support.launcher import Launcher
from tests.servers.wait import eventually, eventually_async
from tests.support.hooks import lives, number_in, shell, with_launcher

MARKED = "setsid sleep 61 & echo $! > {file}"
UNMARKED = "env -i /usr/bin/setsid /bin/sleep 61 & echo $! > {file}"
ORPHAN = "(setsid sh -c 'echo $$ > {file}; exec sleep 61' &)"


@pytest.mark.parametrize("line", [MARKED, UNMARKED, ORPHAN])
def test_at_the_deadline_what_left_the_session_ends_too(tmp_path: Path, line: str) -> None:
    command = replace(shell(f"{line.format(file=tmp_path / 'pid')}; sleep 60", 0.5), whole_tree=True)
    outcome = with_launcher(tmp_path, lambda launcher: launcher.run(command))
    assert outcome.timed_out
    assert not outcome.unstoppable
    assert number_in(tmp_path / "pid")
    assert not lives(number_in(tmp_path / "pid"))


@pytest.mark.parametrize("line", [MARKED, UNMARKED, ORPHAN])
def test_when_it_is_cancelled_what_left_the_session_ends_too(tmp_path: Path, line: str) -> None:
    async def story(launcher: Launcher) -> bool:
        command = replace(shell(f"{line.format(file=tmp_path / 'pid')}; sleep 60", 60.0), whole_tree=True)
        running = asyncio.create_task(launcher.run(command))
        pid = await eventually_async(lambda: number_in(tmp_path / "pid"), 5, "the child has begun")
        running.cancel()
        await asyncio.wait([running])
        return lives(pid)

    assert with_launcher(tmp_path, story) is False


def test_when_it_ends_by_itself_it_leaves_nothing_behind(tmp_path: Path) -> None:
    command = replace(
        shell(ORPHAN.format(file=tmp_path / "pid") + f"; until [ -s {tmp_path}/pid ]; do :; done"), whole_tree=True
    )
    outcome = with_launcher(tmp_path, lambda launcher: launcher.run(command))
    assert outcome.exit_code == 0
    assert not lives(number_in(tmp_path / "pid"))


def test_a_service_that_another_hook_started_in_a_session_of_its_own_runs_on(tmp_path: Path) -> None:
    """The documented behaviour of promote hooks: setsid leaves a service behind, at a forced end too."""

    async def story(launcher: Launcher) -> Outcome:
        return await launcher.run(shell(f"{MARKED.format(file=tmp_path / 'pid')}; sleep 60", 0.5))

    assert with_launcher(tmp_path, story).timed_out
    pid = number_in(tmp_path / "pid")
    assert lives(pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not lives(pid), 5, "it has ended")


def test_a_successor_ends_what_left_the_session_before_both_were_killed(tmp_path: Path) -> None:
    """The record alone is left: the controller and its launcher were killed outright."""

    async def story(launcher: Launcher) -> int:
        command = replace(shell(f"{MARKED.format(file=tmp_path / 'pid')}; sleep 60", 60.0), whole_tree=True)
        running = asyncio.create_task(launcher.run(command))
        pid = await eventually_async(lambda: number_in(tmp_path / "pid"), 5, "the child has begun")
        os.kill(launcher.pid, signal.SIGSTOP)
        os.kill(launcher.pid, signal.SIGKILL)
        await asyncio.wait([running])
        return pid

    pid = with_launcher(tmp_path, story)
    end_recorded_hooks(tmp_path)
    assert not lives(pid)
