"""A process that SIGKILL does not end: it sits in a frozen control group (v1), as one in uninterruptible sleep would.

Knows nothing of who tries to kill it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FREEZER = Path("/sys/fs/cgroup/freezer")


def missing() -> list[str]:
    """What it needs and this machine has not, in words."""
    if os.geteuid() != 0:
        return ["root"]
    return [] if os.access(_FREEZER / "tasks", os.W_OK) else [f"the freezer of control groups v1 at {_FREEZER}"]


@contextmanager
def unkillable(pid: int) -> Iterator[None]:
    """That process takes no signal until the end of the block."""
    group = _FREEZER / f"failoverd-test-{os.getpid()}-{secrets.token_hex(3)}"
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        yield
    finally:
        (group / "freezer.state").write_text("THAWED")
        with suppress(OSError):
            (_FREEZER / "cgroup.procs").write_text(str(pid))
        until = time.monotonic() + 5
        while group.exists() and time.monotonic() < until:
            with suppress(OSError):
                group.rmdir()
            time.sleep(0.01)
