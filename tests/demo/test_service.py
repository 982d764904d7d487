"""The little service: it acknowledges what its standbys have, and a standby takes no writes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from failover.demo.data import Data
from failover.demo.doors import Refused, TcpDoor
from failover.demo.layout import HERE
from tests.servers.guardian import scratch_folder
from tests.servers.ports import free_port
from tests.servers.process import ServerProcess
from tests.servers.wait import eventually

NAMES = ("n1", "n2")


class Instance:
    """One service, and the hooks that steer it."""

    def __init__(self, name: str, ports: dict[str, int]) -> None:
        self.name = name
        self.port = ports[name]
        self.folder = scratch_folder(f"demo-{name}")
        told = {"port": self.port, "python": sys.executable, "pythonpath": str(HERE.parents[1])}
        told |= {f"port_{each}": port for each, port in ports.items()}
        (self.folder / "settings").write_text("".join(f"{name}={value}\n" for name, value in told.items()), "ascii")
        command = [sys.executable, "-m", "failover.demo.service", str(self.folder), str(self.port)]
        self.process = ServerProcess(command, self.folder / "service.log")

    def start(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        self.process.start()
        eventually((self.folder / "pid").exists, 10.0, f"{self.name} is ready")

    def hook(self, verb: str, epoch: int = 1, **facts: str) -> tuple[int, str]:
        told = {"FAILOVER_NODE": self.name, "FAILOVER_EPOCH": str(epoch), "FAILOVER_OLD_ACTIVE": "", **facts}
        ended = subprocess.run(
            ["/bin/sh", str(HERE / "hooks" / "tcp.sh"), verb, str(self.folder)],
            env={"PATH": os.environ["PATH"], **told},
            capture_output=True,
            text=True,
            timeout=10,
        )
        return ended.returncode, ended.stdout.strip()

    def door(self, patience_s: float = 1.0) -> TcpDoor:
        return TcpDoor(self.port, patience_s)


@pytest.fixture
def pair() -> Iterator[tuple[Instance, Instance]]:
    """Two instances: the first is active, the second follows it."""
    ports = {name: free_port() for name in NAMES}
    active, standby = (Instance(name, ports) for name in NAMES)
    with ExitStack() as ending:
        for each in (active, standby):
            ending.callback(each.process.kill)
            each.start()
        assert active.hook("promote")[0] == 0
        assert standby.hook("follow", FAILOVER_ACTIVE="n1")[0] == 0
        yield active, standby


def test_an_acknowledged_write_is_on_the_standby_that_is_promoted(pair: tuple[Instance, Instance]) -> None:
    active, standby = pair
    door = active.door()
    for number in range(100):
        assert door.write(f"k{number}", number).acknowledged
    door.close()
    active.process.kill()
    assert active.hook("demote")[0] == 0  # nothing runs: nothing is active
    assert standby.hook("promote", 2, FAILOVER_OLD_ACTIVE="n1")[0] == 0
    successor = standby.door()
    assert successor.read(f"k{number}" for number in range(101)) == {f"k{number}": number for number in range(100)}
    successor.close()


def test_a_write_waits_for_a_standby_that_is_slow_and_goes_on_without_one_that_is_stuck(
    pair: tuple[Instance, Instance],
) -> None:
    active, standby = pair
    standby.process.pause()
    door = active.door(0.2)
    with pytest.raises(TimeoutError):  # the client's own patience is shorter than the service's
        door.write("k", 1)
    door.close()
    again = active.door(5.0)
    assert again.write("k", 2).acknowledged
    assert again.standbys() == 0
    again.close()
    standby.process.resume()


def test_a_standby_takes_no_write_and_role_says_so(pair: tuple[Instance, Instance]) -> None:
    active, standby = pair
    door = standby.door()
    with pytest.raises(Refused, match="standby"):
        door.write("k", 1)
    door.close()
    assert standby.hook("role") == (0, "standby")
    assert active.hook("role") == (0, "active")


def test_a_demoted_active_refuses_on_the_connections_that_it_had(pair: tuple[Instance, Instance]) -> None:
    active, _ = pair
    door = active.door()
    assert door.write("k", 1).acknowledged
    assert active.hook("demote")[0] == 0
    with pytest.raises(Refused):
        door.write("k", 2)
    door.close()


def test_a_restarted_instance_is_not_promoted_before_it_has_caught_up(pair: tuple[Instance, Instance]) -> None:
    active, standby = pair
    standby.process.kill()
    standby.start()
    code, why = standby.hook("promote", 2, FAILOVER_OLD_ACTIVE="n1")
    assert code == 1
    assert "caught up" in why
    assert standby.hook("follow", FAILOVER_ACTIVE="n1")[0] == 0
    assert active.hook("demote")[0] == 0
    assert standby.hook("promote", 2, FAILOVER_OLD_ACTIVE="n1")[0] == 0


def test_the_last_active_itself_is_promoted_again_without_anybody_to_catch_up_with(
    pair: tuple[Instance, Instance],
) -> None:
    active, _ = pair
    door = active.door()
    door.write("k", 7)
    door.close()
    active.process.kill()
    active.start()
    assert active.hook("promote", 2, FAILOVER_OLD_ACTIVE="n1")[0] == 0
    again = active.door()
    assert again.read(["k"]) == {"k": 7}
    again.close()


def test_an_older_epoch_is_refused_and_the_same_one_is_repeatable(pair: tuple[Instance, Instance]) -> None:
    active, _ = pair
    assert active.hook("promote", 5)[0] == 0
    assert active.hook("promote", 5)[0] == 0
    assert active.hook("promote", 4)[0] == 1


def test_a_killed_service_that_nobody_has_buried_yet_counts_as_ended(pair: tuple[Instance, Instance]) -> None:
    active, _ = pair
    pid = active.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert active.hook("role") == (0, "standby")
    assert active.hook("demote")[0] == 0


def test_a_log_that_was_cut_off_in_its_last_line_is_read_up_to_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("1 a 1\n2 b 2\n3 c", "ascii")
    data = Data(log)
    data.close()
    assert (data.values, data.index, data.is_new) == ({"a": "1", "b": "2"}, 2, False)
