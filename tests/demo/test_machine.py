"""A make-believe host: its power switch leaves nothing running, and it ends with whoever started it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from failover.demo.cluster import Cluster, DemoFailed
from failover.demo.layout import HERE, lay_out
from tests.servers.guardian import scratch_folder
from tests.servers.wait import eventually

ENDLESS = "setsid sh -c 'exec sleep 1000' & exec sleep 1000"


class Host:
    """One host whose service leaves its session, and whose controller is a sleeping shell."""

    def __init__(self) -> None:
        self.scratch = scratch_folder("demo-host")
        self.folder = self.scratch / "n1"
        self.folder.mkdir()
        boot = {
            "service": ["/bin/sh", "-c", "setsid sh -c 'exec sleep 1000' & exit 0"],
            "controller": ["/bin/sh", "-c", ENDLESS],
            "scratch": str(self.scratch),
        }
        (self.folder / "boot.json").write_text(json.dumps(boot), "utf-8")
        self.machine = subprocess.Popen(
            [sys.executable, "-m", "failover.demo.machine", str(self.folder)], stdin=subprocess.PIPE
        )
        eventually(lambda: len(self.sleepers()) == 3, 10.0, "service, controller and its child run")

    def sleepers(self) -> list[psutil.Process]:
        below = psutil.Process(self.machine.pid).children(recursive=True)
        return [each for each in below if _sleeps(each)]

    def fence(self) -> int:
        command = ["/bin/sh", str(HERE / "hooks" / "fence.sh"), str(self.folder)]
        return subprocess.run(command, env={"PATH": os.environ["PATH"]}, timeout=10).returncode


def _sleeps(process: psutil.Process) -> bool:
    try:
        return process.name() == "sleep" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    assert made.machine.stdin is not None
    made.machine.stdin.close()
    made.machine.wait(10)


def test_the_power_switch_says_done_only_when_controller_hooks_and_service_are_dead(host: Host) -> None:
    """S7."""
    before = host.sleepers()
    assert host.fence() == 0
    assert not any(_sleeps(each) for each in before)


def test_a_host_that_was_switched_off_boots_again_by_itself(host: Host) -> None:
    assert host.fence() == 0
    eventually(lambda: len(host.sleepers()) == 3, 10.0, "it has booted again")


def test_a_host_ends_with_its_input_and_removes_the_scratch_folder(host: Host) -> None:
    running = host.sleepers()
    assert host.machine.stdin is not None
    host.machine.stdin.close()
    assert host.machine.wait(10) == 0
    assert not any(_sleeps(each) for each in running)
    assert not host.scratch.exists()


def test_a_fence_without_a_host_to_ask_is_no_done(tmp_path: Path) -> None:
    """S5: no answer is not `done`."""
    command = ["/bin/sh", str(HERE / "hooks" / "fence.sh"), str(tmp_path)]
    assert subprocess.run(command, env={"PATH": os.environ["PATH"]}, timeout=10).returncode == 2


def test_a_controller_that_does_not_come_up_is_named_with_its_last_words() -> None:
    cluster = Cluster(lay_out("tcp"))
    for node in cluster.layout.nodes:
        boot = json.loads((node.folder / "boot.json").read_text("utf-8"))
        boot["controller"] = ["/bin/sh", "-c", "echo I cannot go on; exit 1"]
        (node.folder / "boot.json").write_text(json.dumps(boot), "utf-8")
    try:
        cluster.start()
        log = cluster.layout.nodes[0].folder / "controller.log"
        eventually(lambda: log.exists() and "I cannot go on" in log.read_text("utf-8"), 10, "it has said so")
        with pytest.raises(DemoFailed, match="n1's controller does not answer") as failed:
            cluster.wait_until_settled(0.3)
    finally:
        cluster.stop()
    assert "I cannot go on" in failed.value.log
    assert not cluster.layout.scratch.exists()
