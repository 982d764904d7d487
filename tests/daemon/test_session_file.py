"""The session file: read back as written by its own node in its own boot, and refused in every other case."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from failover.core.values import Identity, Node, Role
from failover.daemon.session_file import SessionFile
from failover.daemon.state_folder import StateFolderError
from failover.ports.store import SavedSession
from failover.runtime.adoption import Kept

ME = Identity(Node("db1", "machine"), "boot")
KEPT = Kept(SavedSession("1a2b", "0f" * 16), Role.ACTIVE, 7, 7, 3, (10.5, 20.0))

Change = Callable[[Path], object]


def file_of(folder: Path, identity: Identity = ME, service: str = "orders-db") -> SessionFile:
    return SessionFile(folder, service, identity)


def written(folder: Path) -> Path:
    file_of(folder).write(KEPT)
    return folder / "session.json"


def edited(**changes: Any) -> Change:
    """With these fields, under the mode that it should have."""

    def edit(path: Path) -> None:
        record = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps(record))

    return edit


@pytest.mark.parametrize("kept", [KEPT, Kept(), Kept(KEPT.session), Kept(KEPT.session, Role.STANDBY)])
def test_what_was_written_is_read_and_nobody_else_can_read_it(tmp_path: Path, kept: Kept) -> None:
    before = os.umask(0)
    try:
        file_of(tmp_path).write(KEPT)
        file_of(tmp_path).write(kept)
    finally:
        os.umask(before)
    assert file_of(tmp_path).read() == kept
    assert (tmp_path / "session.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["session.json"]


def test_no_file_is_nothing_to_adopt(tmp_path: Path) -> None:
    assert file_of(tmp_path).read() == Kept()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.chmod(0o640), "others may read or write it (mode 0640"),
        (lambda path: path.write_text("not JSON"), "it does not hold a record"),
        (lambda path: path.write_text("[" * 9000), "it does not hold a record"),
        (lambda path: path.write_text("[1]"), "it does not hold a record"),
        (lambda path: path.write_text(" " * 20_000), "it does not hold a record"),
        (lambda path: path.with_name("other").hardlink_to(path), "it is not a file of its own"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), "it cannot be opened"),
        (lambda path: (path.unlink(), os.mkfifo(path, 0o600)), "it is not a file of its own"),
        (lambda path: (path.unlink(), path.mkdir()), "it is not a file of its own"),
        (edited(schema=2), "its schema is 2, and this version reads 1"),
        (edited(service="other"), "another service: 'other'"),
        (edited(node="db2"), "another node: 'db2'"),
        (edited(machine_id="clone"), "another machine_id"),
        (edited(boot_id="the boot before"), "another boot_id"),
        (edited(role="king"), "in which role"),
        (edited(role=["active"]), "in which role"),
        (edited(session={"id": "1a2b"}), "its session is not one"),
        (edited(session={"id": "no hex", "secret": "0f"}), "its session is not one"),
        (edited(session={"id": "1a2b", "secret": "0f0"}), "its session is not one"),
        (edited(session="1a2b"), "its session is not one"),
        (edited(epoch="7"), "its epoch is not a number"),
        (edited(lock=True), "its lock is not a number"),
        (edited(breadcrumb=-2), "its breadcrumb is not a number"),
        (edited(adoptions=[1, 2, 3]), "its adoptions are not a list of times"),
        (edited(adoptions=["1"]), "its adoptions are not a list of times"),
        (edited(adoptions=None), "its adoptions are not a list of times"),
    ],
)
def test_what_is_not_to_be_believed_is_told_and_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Change, reason: str
) -> None:
    path = written(tmp_path)
    change(path)
    with caplog.at_level(logging.WARNING):
        assert file_of(tmp_path).read() == Kept()
    assert reason in caplog.text
    assert not path.is_symlink()
    assert not path.exists()
    assert (tmp_path / "session.json.refused").is_symlink() or (tmp_path / "session.json.refused").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(written(tmp_path), 12345, 12345)
    assert file_of(tmp_path).read() == Kept()
    assert "it belongs to user 12345" in caplog.text


def test_a_file_that_cannot_be_moved_aside_stops_the_start(tmp_path: Path) -> None:
    written(tmp_path).chmod(0o644)
    (tmp_path / "session.json.refused").mkdir()
    with pytest.raises(StateFolderError, match="cannot be moved aside"):
        file_of(tmp_path).read()


def test_where_nothing_can_be_written_nothing_old_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path)
    (tmp_path / "session.json.new").mkdir()
    file = file_of(tmp_path)
    file.write(KEPT)
    file.write(KEPT)
    assert not path.exists()
    assert caplog.text.count("a restart now leads to a failover") == 1


def test_an_old_file_that_cannot_be_removed_either_ends_the_controller_s10(tmp_path: Path) -> None:
    (tmp_path / "session.json.new").mkdir()
    (tmp_path / "session.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        file_of(tmp_path).write(KEPT)
