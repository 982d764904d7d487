"""Which processes a control group holds, read from the kernel's own files.

systemd forgets the group of a unit that has stopped, even where a process is left in it: so the files are asked, not
systemd. Knows no unit and no bus. Source: the kernel's cgroup-v2 and cgroup-v1 documentation.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
_PLACES = ("", "unified", "systemd")  # v2 alone; v2 beside v1; systemd's own hierarchy of v1
_GONE = (errno.ENOENT, errno.ENODEV)
MOST_LISTED = 64


class ControlGroupError(Exception):
    """The kernel's files cannot be read: nothing is known of the group."""


def processes_in(group: str, mount: Path = MOUNT) -> list[int]:
    """The pids in `group` (`/system.slice/x.service`) and below it, at most 64. Raises ControlGroupError.

    A group that is not there holds nothing; hierarchies that are not there are another matter.
    """
    if not group.strip("/") or ".." in group.split("/"):
        raise ControlGroupError(f'"{group}" is not the control group of a unit')
    roots = [mount / place for place in _PLACES if (mount / place / "cgroup.procs").exists()]
    if not roots:
        raise ControlGroupError(f"no control groups under {mount}: is /sys/fs/cgroup mounted?")
    found: set[int] = set()
    for root in roots:
        found |= _below(root / group.strip("/"))
    return sorted(found)[:MOST_LISTED]


def _below(folder: Path) -> set[int]:
    found = set()
    for path, _, files in os.walk(folder, onerror=_refuse_unless_gone):
        if "cgroup.procs" in files:
            found |= _pids(Path(path) / "cgroup.procs")
    return found


def _pids(file: Path) -> set[int]:
    try:
        return {int(line) for line in file.read_text("ascii").split()}
    except OSError as error:
        # EOPNOTSUPP: a threaded group, whose processes its parent lists.
        if error.errno == errno.EOPNOTSUPP:
            return set()
        _refuse_unless_gone(error)
        return set()


def _refuse_unless_gone(error: OSError) -> None:
    if error.errno not in _GONE:
        raise ControlGroupError(f"{error.filename}: {error.strerror}")


def group_of(unit: str, slice_name: str, root: str = "") -> str:
    """Where systemd puts a unit: `a-b.slice` lies in `a.slice`. `root` is the manager's own group."""
    words = slice_name.removesuffix(".slice").split("-")
    slices = [] if slice_name == "-.slice" else ["-".join(words[: end + 1]) + ".slice" for end in range(len(words))]
    return "/".join([root.rstrip("/"), *slices, unit])
