"""The state folder: S9's lock, and the floor that S4 keeps on disk."""

from pathlib import Path

import pytest

from failover.daemon.compose import end_hooks_of
from failover.daemon.state_folder import AlreadyRunningError, StateFolder, StateFolderError


def test_one_controller_holds_the_folder_s9(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path / "s"), StateFolder(tmp_path / "s")
    first.take()
    with pytest.raises(AlreadyRunningError, match="another controller"):
        second.take()


def test_the_floor_is_kept_and_never_gets_lower_s4(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert folder.floor() == 0
    folder.keep_floor(5000)
    folder.keep_floor(7)
    assert StateFolder(tmp_path).floor() == 5000


def test_a_floor_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "floor").write_text("five")
    with pytest.raises(StateFolderError, match="does not hold a number"):
        StateFolder(tmp_path).floor()


def test_a_floor_that_is_no_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "floor").mkdir()
    with pytest.raises(StateFolderError, match="cannot be read"):
        StateFolder(tmp_path).floor()


def test_records_of_hooks_that_cannot_be_read_stop_the_start_s4(tmp_path: Path) -> None:
    (tmp_path / "hooks").touch()
    with pytest.raises(StateFolderError, match="Not a directory"):
        end_hooks_of(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderError, match="choose another state_dir"):
        StateFolder(tmp_path / "file" / "s").take()


@pytest.mark.parametrize("name", ["controller.lock", "floor.new"])
def test_a_link_in_the_folder_leads_to_no_other_file(tmp_path: Path, name: str) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    folder = StateFolder(tmp_path / "folder")
    folder.path.mkdir()
    (folder.path / name).symlink_to(other)
    with pytest.raises((StateFolderError, OSError)):
        folder.take() if name == "controller.lock" else folder.keep_floor(7)
    assert other.read_text() == "of somebody else"
