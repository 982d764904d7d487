"""The local store: the contract, and what files and flock bring with them."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from failover.core.effects import OpenSession
from failover.core.events import SessionRefused, TakeOutcome
from failover.core.values import Member, Node
from failover.ports.store import FormatError
from failover.stores.local import LocalStore
from tests.servers.process import all_stopped
from tests.servers.wait import eventually
from tests.stores.contract import StoreContract, WrittenContract, db1, db2, player
from tests.stores.players import SERVICE, WITHIN_S, Player

__all__ = ["db1", "db2", "player"]


class LocalWorld:
    """A folder, and the stores on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = path / "orders-db"
        self.ended = ExitStack()
        self._mutex: int | None = None
        self.store(Node("operator", "x")).format()

    def store(self, node: Node, service: str = SERVICE) -> LocalStore:
        store = LocalStore(str(self.path), service)
        if service != SERVICE:
            store.format()
        self.ended.callback(store.shut_down)
        return store

    def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        eventually(condition, within_s, what)

    def kill(self, player: Player) -> None:
        player.store.shut_down()

    def take_away(self, player: Player) -> None:
        """A process that stands still in the middle of a transaction."""
        self._mutex = os.open(self.base / "mutex", os.O_RDWR)
        fcntl.flock(self._mutex, fcntl.LOCK_EX)

    def bring_back(self, player: Player) -> None:
        if self._mutex is not None:
            os.close(self._mutex)

    def spoil(self, record: str) -> None:
        name = {
            "breadcrumb": "ActiveBreadCrumb",
            "control": "control",
            "lock": "ActiveStandbyElectorLock.holder",
        }[record]
        fresh = self.base / f".{name}.test"
        fresh.write_bytes(b"7\nnot JSON")
        fresh.rename(self.base / name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    world = LocalWorld(tmp_path)
    with world.ended:
        yield world


class TestLocal(WrittenContract, StoreContract):
    """The contract."""


def test_a_folder_that_was_never_formatted_is_refused(tmp_path: Path) -> None:
    store, answers = LocalStore(str(tmp_path), "orders-db"), list[object]()
    store.open(OpenSession(Member(Node("db1", "m"))), answers.append)
    eventually(lambda: answers, 5.0, "answered")
    store.shut_down()
    refused = answers[0]
    assert isinstance(refused, SessionRefused)
    assert refused.exit_code == 3
    assert "failoverctl format" in refused.reason


def test_a_hand_over_reaches_the_standby_at_once(world: LocalWorld, db1: Player, db2: Player) -> None:
    lock, crumb = db1.become_active()
    world.until(lambda: db2.holder() == lock, "seen")
    db1.hand_over(lock, crumb)
    world.until(lambda: db2.holder() is None, "seen free")


_HOLDER = """
import sys, threading
from failover.core.effects import OpenSession, TakeLock
from failover.core.values import Member, Node
from failover.stores.local import LocalStore
store, taken = LocalStore(sys.argv[1], "orders-db"), threading.Event()
store.connect(lambda event: None)
def opened(event):
    store.take(TakeLock(1, event.session.id, 0), lambda answer: taken.set())
store.open(OpenSession(Member(Node("db9", "m"))), opened)
taken.wait()
print("taken", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def other_process(world: LocalWorld) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process, which holds the lock."""
    command = [sys.executable, "-c", _HOLDER, str(world.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"taken\n"
            yield process
        finally:
            process.kill()


def test_a_killed_process_frees_lock_and_name_at_once(
    world: LocalWorld, other_process: "subprocess.Popen[bytes]", db1: Player
) -> None:
    assert db1.take().outcome is TakeOutcome.HELD
    assert len(db1.members()) == 2
    other_process.send_signal(signal.SIGKILL)
    world.until(lambda: db1.holder() is None, "seen free")
    assert db1.win().lock is not None
    world.until(lambda: len(db1.members()) == 1, "its member is gone")


def test_a_frozen_holder_keeps_the_lock(
    world: LocalWorld, other_process: "subprocess.Popen[bytes]", db1: Player
) -> None:
    world.take_away(db1)  # so that it does not stand still in the middle of a transaction
    other_process.send_signal(signal.SIGSTOP)
    eventually(lambda: all_stopped(other_process.pid), WITHIN_S, "it stands still")
    world.bring_back(db1)
    taken = db1.take()
    assert taken.outcome is TakeOutcome.HELD
    assert taken.lock is not None
    assert taken.lock.node == "db9"


def test_the_epoch_goes_on_where_it_was(world: LocalWorld, db1: Player) -> None:
    first = db1.win().lock
    db1.close()
    db1.open()
    second = db1.win().lock
    assert first is not None
    assert second is not None
    assert second.czxid == first.czxid + 1


def test_an_epoch_that_cannot_be_read_is_never_guessed(world: LocalWorld, db1: Player) -> None:
    (world.base / "epoch").write_bytes(b"0\nnot JSON")
    taken = db1.take()
    assert taken.outcome is TakeOutcome.UNKNOWN
    assert "epoch" in taken.detail
    assert db1.view().holder is None


def test_lock_files_are_never_replaced_nor_unlinked(world: LocalWorld, db1: Player, db2: Player) -> None:
    def inodes() -> dict[str, int]:
        paths = [world.base / "ActiveStandbyElectorLock", *(world.base / "sessions").iterdir()]
        return {path.name: path.stat().st_ino for path in paths if path.suffix != ".record"}

    lock, crumb = db1.become_active()
    before = inodes()
    db1.hand_over(lock, crumb)
    db2.become_active()
    db2.close()
    db1.close()
    assert inodes() == before


def test_lock_files_do_not_reach_a_started_process(world: LocalWorld, db1: Player) -> None:
    db1.win()
    with subprocess.Popen(["sleep", "600"], close_fds=False) as child:
        inherited = os.listdir(f"/proc/{child.pid}/fd")
        names = [os.readlink(f"/proc/{child.pid}/fd/{number}") for number in inherited]
        child.kill()
    assert not [name for name in names if "orders-db" in name]


def test_names_with_slashes_and_dots_stay_in_the_folder(world: LocalWorld, player: Callable[[str], Player]) -> None:
    names = ["../x", "..", "a/b", "x.record", "ä b"]
    players = [player(name).open() for name in names]
    members = players[-1].view().members
    assert sorted(member.node.name for member in members) == sorted(names)
    assert sorted(path.name for path in world.path.iterdir()) == ["orders-db"]


def test_a_folder_that_may_not_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = LocalStore(str(tmp_path / "file"), "orders-db")
    with pytest.raises(FormatError, match="was not formatted") as refused:
        store.format()
    assert refused.value.exit_code == 1
    store.shut_down()
