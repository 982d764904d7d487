"""What systemd is told, at a socket of the test's own: ready once joined, why, and a sign of life from the loop."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from failover.core.values import Role
from failover.daemon.notify import LONGEST_STATUS, Supervisor, Teller, status_of
from failover.ports.controller import Controller, Snapshot
from tests.api.fakes import standby_snapshot


@dataclass
class Shown:
    """A controller as far as it is told of."""

    now: Snapshot

    def snapshot(self) -> Snapshot:
        return self.now

    def now_s(self) -> float:
        return self.now.taken_s


class Listener:
    """The supervisor's end."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        told = []
        while True:
            try:
                told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


def teller_of(listener: Listener, shown: Shown, **more: str) -> Teller:
    return Teller(cast(Controller, shown), Supervisor({"NOTIFY_SOCKET": str(listener.path), **more}))


def test_ready_is_said_once_and_only_when_the_election_is_joined(listener: Listener) -> None:
    shown = Shown(replace(standby_snapshot(), connected=False, session=None, role=Role.STARTING))
    teller = teller_of(listener, shown)
    teller.beat()
    assert all("READY=1" not in told for told in listener.heard())
    shown.now = replace(standby_snapshot(), connected=True, session="s1", role=Role.STANDBY)
    teller.beat()
    assert "READY=1" in "".join(listener.heard())
    teller.beat()
    assert "READY=1" not in "".join(listener.heard())


def test_the_status_says_role_and_why_and_only_what_is_new(listener: Listener) -> None:
    shown = Shown(replace(standby_snapshot(), connected=True, session="s1", role=Role.ACTIVE, epoch=7, why="promoted"))
    teller = teller_of(listener, shown)
    teller.beat()
    assert "STATUS=active under epoch 7: promoted" in listener.heard()[0]
    teller.beat()
    assert listener.heard() == []
    shown.now = replace(shown.now, blocked="fencing db1 failed")
    teller.beat()
    assert listener.heard() == ["STATUS=BLOCKED, active under epoch 7: fencing db1 failed"]


def test_a_sign_of_life_goes_with_every_beat_where_one_is_wanted(listener: Listener) -> None:
    shown = Shown(replace(standby_snapshot(), connected=True, session="s1"))
    teller = teller_of(listener, shown, WATCHDOG_USEC="3000000", WATCHDOG_PID=str(os.getpid()))
    teller.beat()
    teller.beat()
    assert ["WATCHDOG=1" in told for told in listener.heard()] == [True, True]
    assert teller.every_s == 1.0


@pytest.mark.parametrize(
    "environment",
    [{"WATCHDOG_USEC": "nonsense"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}, {}],
)
def test_what_is_meant_for_another_process_or_no_number_wants_no_sign(environment: dict[str, str]) -> None:
    assert Supervisor({"NOTIFY_SOCKET": "/nowhere", **environment}).watchdog_s is None


def test_a_reload_and_a_stop_are_told(listener: Listener) -> None:
    teller = teller_of(listener, Shown(replace(standby_snapshot(), connected=True, session="s1")))
    teller.beat()
    listener.heard()
    teller.reloading()
    teller.reloaded()
    teller.stopping("told to stop")
    begins, ends, stops = listener.heard()
    assert begins.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert ends == "READY=1"
    assert stops == "STOPPING=1\nSTATUS=told to stop"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_without_a_supervisor_nothing_is_sent(address: str) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    assert (supervisor.listens, supervisor.watchdog_s, supervisor.tell("READY=1")) == (False, None, False)


def test_a_supervisor_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    assert Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1") is False


def test_a_status_is_one_bounded_line() -> None:
    words = status_of(replace(standby_snapshot(), connected=True, why="a\nb" + "x" * 500), is_ready=True)
    assert "\n" not in words
    assert len(words) == LONGEST_STATUS
