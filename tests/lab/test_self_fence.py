"""An armed watchdog under a real systemd: the guard keeps it through every restart of the controller's unit.

The device is that of the other tests, served inside the lab's host.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator

import pytest

from tests.lab.host import CHECKOUT, Host
from tests.lab.pair import LabZooKeeper, Node, Pair
from tests.servers.watchdog import OPTIONS, missing

FOLDER = "/run/dog"
DEVICE = f"{FOLDER}/mount/watchdog"
OWN = {
    "a": {
        "on_store_loss": "step_down",
        "watchdog": {"device": DEVICE, "timeout": "30s", "allow_on_virtual_machine": True},
    }
}


class Dog:
    """The device on that host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        if host.run("test", "-e", "/dev/fuse").returncode:
            host.must("mknod", "-m", "600", "/dev/fuse", "c", "10", "229")
        host.must("mkdir", "-p", f"{FOLDER}/mount")
        host.must("touch", f"{FOLDER}/events")
        command = [sys.executable, "-m", "tests.servers.watchdog", FOLDER, "true", str(OPTIONS)]
        host.must("systemd-run", "--unit=dog", f"--working-directory={CHECKOUT}", *command)

    def events(self) -> list[str]:
        lines = self._host.must("cat", f"{FOLDER}/events").splitlines()
        return [line.split(" ", 1)[1] for line in lines]

    def pets(self) -> int:
        return int(self._host.must("cat", f"{FOLDER}/pets").strip() or 0)


@pytest.fixture(scope="module")
def dog(host: Host) -> Dog:
    if missing():
        pytest.skip(missing())
    return Dog(host)


@pytest.fixture(scope="module")
def pair(host: Host, lab_zookeeper: LabZooKeeper, dog: Dog) -> Iterator[Pair]:
    made = Pair(host, lab_zookeeper, root=f"/t-{secrets.token_hex(4)}", own=OWN)
    made.eventually(lambda: host.run("test", "-e", DEVICE).returncode == 0, 10, "the device is there")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def guards(pair: Pair, node: Node) -> list[str]:
    """The pids of the guard, among the processes of the controller's unit."""
    (group,) = pair.host.show(node.controller, "ControlGroup")
    files = pair.host.run("find", "/sys/fs/cgroup", "-path", f"*{group}/cgroup.procs").stdout.split()
    pids = {pid for file in files for pid in pair.host.must("cat", file).split()}
    return sorted(pid for pid in pids if "guard.py" in pair.host.run("cat", f"/proc/{pid}/cmdline").stdout)


def is_fed(pair: Pair, dog: Dog) -> None:
    before = dog.pets()
    pair.eventually(lambda: dog.pets() > before, 15, "the dog is fed")


@pytest.mark.parametrize(
    "words", [("kill", "--signal=KILL", "--kill-whom=main"), ("restart",)], ids=lambda words: words[0]
)
def test_the_guard_outlives_the_controller_and_the_next_one_feeds_on(
    pair: Pair, dog: Dog, words: tuple[str, ...]
) -> None:
    a = pair["a"]
    pair.comes("a", "active")
    guard, controller = guards(pair, a), a.main_pid(a.controller)
    assert len(guard) == 1
    pair.host.must("systemctl", *words, a.controller)
    pair.eventually(lambda: a.main_pid(a.controller) not in (0, controller), 10, "systemd starts it again")
    pair.eventually(lambda: "adopted" in str(a.status().get("why")), 15, "it carries on")
    is_fed(pair, dog)
    assert guards(pair, a) == guard
    assert dog.events() == ["armed"]


def test_a_stop_disarms_and_leaves_no_guard(pair: Pair, dog: Dog) -> None:
    a = pair["a"]
    pair.comes("a", "active")
    before = guards(pair, a)
    pair.host.must("systemctl", "stop", a.controller)
    pair.comes("b", "active")
    pair.eventually(lambda: dog.events() == ["armed", "disarmed"], 5, "it is disarmed")
    pair.eventually(lambda: not any(pair.host.run("test", "-e", f"/proc/{pid}").returncode == 0 for pid in before),
                    5, "the guard has ended")  # fmt: skip
