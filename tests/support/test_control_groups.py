"""What runs in a control group: the kernel's files say it, also after systemd has forgotten the group."""

import os
from pathlib import Path

import pytest

from failover.support.control_groups import MOUNT, ControlGroupError, group_of, processes_in

GROUP = "/system.slice/orders-db.service"


def hierarchy(mount: Path, place: str, **groups: str) -> None:
    root = mount / place
    root.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.procs").write_text("1\n")
    for name, pids in groups.items():
        folder = root / GROUP.strip("/") / ("" if name == "own" else name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text(pids)


@pytest.mark.parametrize("place", ["", "unified", "systemd"])
def test_processes_are_found_in_the_group_and_below_it_in_every_hierarchy(tmp_path: Path, place: str) -> None:
    hierarchy(tmp_path, place, own="10\n11\n", workers="12\n")
    assert processes_in(GROUP, tmp_path) == [10, 11, 12]


def test_a_group_that_is_gone_or_empty_holds_nothing(tmp_path: Path) -> None:
    hierarchy(tmp_path, "")
    assert processes_in(GROUP, tmp_path) == []
    hierarchy(tmp_path, "", own="")
    assert processes_in(GROUP, tmp_path) == []


def test_where_no_hierarchy_is_mounted_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(ControlGroupError, match="is /sys/fs/cgroup mounted"):
        processes_in(GROUP, tmp_path)


@pytest.mark.parametrize("group", ["", "/", "/../system.slice"])
def test_the_whole_tree_is_no_unit(tmp_path: Path, group: str) -> None:
    hierarchy(tmp_path, "")
    with pytest.raises(ControlGroupError, match="is not the control group of a unit"):
        processes_in(group, tmp_path)


def test_this_machines_own_files_can_be_read() -> None:
    if not any((MOUNT / place / "cgroup.procs").exists() for place in ("", "unified", "systemd")):
        pytest.skip(f"no control groups under {MOUNT}")
    assert processes_in(f"/no-such-group-{os.getpid()}") == []


@pytest.mark.parametrize(
    ("slice_name", "root", "group"),
    [
        ("system.slice", "", "/system.slice/x.service"),
        ("a-b.slice", "", "/a.slice/a-b.slice/x.service"),
        ("-.slice", "", "/x.service"),
        ("system.slice", "/machine", "/machine/system.slice/x.service"),
    ],
)
def test_a_unit_lies_in_its_slice_and_that_in_its_own(slice_name: str, root: str, group: str) -> None:
    assert group_of("x.service", slice_name, root) == group
