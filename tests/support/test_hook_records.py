"""A starting controller ends what its predecessor has recorded, and nothing else (S4)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.support.hook_records import (
    MARK,
    HookRecord,
    end_recorded_hooks,
    hooks_directory,
    is_alive,
    read_records,
)
from failover.support.launcher import Launcher
from failover.support.spawner import boot_id, members, start_time
from tests.servers.wait import eventually
from tests.support.hooks import lives, number_in, with_launcher

ENDED_LONG_AGO = 2**22 + 1  # no pid is that high


class Recorded:
    """Processes like those of a hook, and records of them as the launcher writes them."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._started: list[subprocess.Popen[bytes]] = []

    def process(self, line: str, hook: str = "") -> int:
        """A shell in a session of its own."""
        environment = {**os.environ, **({MARK: hook} if hook else {})}
        shell = subprocess.Popen(["/bin/sh", "-c", line], start_new_session=True, env=environment)
        self._started.append(shell)
        return shell.pid

    def record(self, hook: str, pid: int, **other: object) -> None:
        """What is on disk about it; `other` replaces single fields."""
        fields: dict[str, object] = {
            "pid": pid,
            "start_time": start_time(pid),
            "group": pid,
            "boot_id": boot_id(),
            "controller": ENDED_LONG_AGO,
            "controller_start_time": 1,
            "name": "promote",
        }
        directory = hooks_directory(self.state_dir)
        directory.mkdir(exist_ok=True)
        text = "".join(f"{name} {value}\n" for name, value in {**fields, **other}.items())
        (directory / hook).write_text(text)

    def reap(self, pid: int) -> None:
        """Wait for the end of one of the processes."""
        next(shell for shell in self._started if shell.pid == pid).wait(5.0)

    def close(self) -> None:
        """End what is left."""
        for shell in self._started:
            for pid in members(shell.pid):
                os.kill(pid, signal.SIGKILL)
            shell.wait(5.0)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    """Made in a state folder of its own."""
    made = Recorded(tmp_path)
    yield made
    made.close()


def test_a_recorded_hook_is_ended_with_its_whole_session(recorded: Recorded, tmp_path: Path) -> None:
    pid = recorded.process(f"trap '' TERM; set -m; sleep 60 & echo $! > {tmp_path}/child; sleep 60")
    child = eventually(lambda: number_in(tmp_path / "child"), 5.0, "it has a child")
    recorded.record("promote-1", pid)
    assert end_recorded_hooks(tmp_path).ended == ("promote-1",)
    assert not lives(pid)
    assert not lives(child)
    assert read_records(tmp_path) == []


def test_a_recycled_pid_is_not_killed(recorded: Recorded, tmp_path: Path) -> None:
    """Its start time is another: the hook had ended, and the number went to a stranger."""
    pid = recorded.process("exec sleep 60")
    recorded.record("promote-1", pid, start_time=start_time(pid) - 1)
    assert end_recorded_hooks(tmp_path).ended == ("promote-1",)
    assert lives(pid)
    assert read_records(tmp_path) == []


def test_a_record_of_before_the_last_boot_kills_nobody(recorded: Recorded, tmp_path: Path) -> None:
    pid = recorded.process("exec sleep 60")
    recorded.record("promote-1", pid, boot_id="11111111-2222-3333-4444-555555555555")
    assert end_recorded_hooks(tmp_path).ended == ("promote-1",)
    assert lives(pid)


def test_what_outlived_its_leader_is_known_by_its_mark(recorded: Recorded, tmp_path: Path) -> None:
    pid = recorded.process(f"sleep 60 & echo $! > {tmp_path}/child", hook="promote-1")
    recorded.record("promote-1", pid)
    child = eventually(lambda: number_in(tmp_path / "child"), 5.0, "it has a child")
    recorded.reap(pid)
    assert end_recorded_hooks(tmp_path).ended == ("promote-1",)
    assert not lives(child)


def test_what_cannot_be_told_from_a_stranger_is_left_and_counts_as_alive(recorded: Recorded, tmp_path: Path) -> None:
    """S5: neither killed on suspicion, nor taken for ended."""
    pid = recorded.process(f"sleep 60 & echo $! > {tmp_path}/child")
    recorded.record("promote-1", pid)
    child = eventually(lambda: number_in(tmp_path / "child"), 5.0, "it has a child")
    recorded.reap(pid)
    try:
        result = end_recorded_hooks(tmp_path, wait_s=0.1)
        assert (result.ended, result.alive) == ((), ("promote-1",))
        assert lives(child)
        assert [record.id for record in read_records(tmp_path)] == ["promote-1"]
    finally:
        os.kill(child, signal.SIGKILL)
    eventually(lambda: not lives(child), 5.0, "the child has ended")


def test_hooks_of_another_living_controller_are_left_alone(recorded: Recorded, tmp_path: Path) -> None:
    """Two services may share the folder; S9 holds for each of them apart."""
    pid, controller = recorded.process("exec sleep 60"), recorded.process("exec sleep 60")
    recorded.record("promote-1", pid, controller=controller, controller_start_time=start_time(controller))
    assert end_recorded_hooks(tmp_path).ended == ()
    assert lives(pid)
    os.kill(controller, signal.SIGKILL)
    recorded.reap(controller)
    assert end_recorded_hooks(tmp_path).ended == ("promote-1",)


def test_a_record_that_was_cut_off_names_nobody(tmp_path: Path) -> None:
    directory = hooks_directory(tmp_path)
    directory.mkdir()
    (directory / "promote-1").write_text("pid 1\nstart")
    (directory / "promote-2.new").write_text("")
    assert end_recorded_hooks(tmp_path).alive == ()
    assert read_records(tmp_path) == []


def test_without_a_folder_there_is_nothing_to_end(tmp_path: Path) -> None:
    assert end_recorded_hooks(tmp_path / "never" / "made").ended == ()


def test_a_launcher_knows_what_its_predecessor_could_not_end(recorded: Recorded, tmp_path: Path) -> None:
    """A promote that lives on bars a clean demote (S3), whoever started it."""
    pid = recorded.process("exec sleep 60")
    recorded.record("promote-1", pid)

    async def story(launcher: Launcher) -> list[bool]:
        before = launcher.alive("promote")
        os.kill(pid, signal.SIGKILL)
        recorded.reap(pid)
        return [before, launcher.alive("promote")]

    assert with_launcher(tmp_path, story) == [True, False]


PREDECESSOR = """
import asyncio, os, signal, sys
from failover.support.launcher import Launcher
from failover.support.command import Command, hook_environment

async def main():
    launcher = await Launcher.start(sys.argv[1])
    line = f"setpriv --pdeathsig clear sh -c 'echo $$ > {sys.argv[1]}/pid; exec sleep 60' & wait"
    asyncio.create_task(launcher.run(Command(("/bin/sh", "-c", line), hook_environment({}), 60.0, "promote")))
    while not os.path.exists(f"{sys.argv[1]}/pid"):
        await asyncio.sleep(0.01)
    os.kill(launcher.pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_what_survives_when_controller_and_launcher_are_both_killed_is_ended_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PREDECESSOR, str(tmp_path)], timeout=20.0, check=False)
    pid = eventually(lambda: number_in(tmp_path / "pid"), 5.0, "the hook has written its pid")
    assert lives(pid)
    result = end_recorded_hooks(tmp_path)
    assert len(result.ended) == 1
    assert not lives(pid)


def test_a_record_says_whose_hook_it_is(recorded: Recorded, tmp_path: Path) -> None:
    pid = recorded.process("exec sleep 60")
    recorded.record("promote-1", pid)
    (record,) = read_records(tmp_path)
    assert record == HookRecord("promote-1", "promote", pid, start_time(pid), boot_id(), ENDED_LONG_AGO, 1)
    assert is_alive(record)
