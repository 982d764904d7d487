"""Whether systemd stops this controller only to start it again: asked when it is told to stop.

While `systemctl restart` stops a unit, the job of that unit is of type `restart`; while `systemctl stop` or a shut-down
does, it is `stop` (seen on systemd 252). Deliberately unknown here: what follows from it. No answer in time, or one
that is not understood, is no restart: a hand-over is always safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

ASK_S = 1.0
BOOTED = Path("/run/systemd/system")
OWN_CGROUP = Path("/proc/self/cgroup")
RESTARTS = frozenset({"restart", "try-restart"})


def own_unit(cgroups: str) -> str:
    """The service unit in whose control group we are, from the text of /proc/self/cgroup; "" if in none.

    Of several hierarchies, systemd's own counts: `0::` (unified) or `name=systemd`.
    """
    for line in cgroups.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers in ("", "name=systemd"):
            units = [part for part in path.split("/") if part.endswith(".service")]
            if units:
                return units[-1]
    return ""


def restarts(jobs: str, unit: str) -> bool:
    """Whether the unit has a job that restarts it, from the text of `systemctl list-jobs` without its legend."""
    for line in jobs.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == unit:
            return words[2] in RESTARTS
    return False


def supervised_unit(environment: Mapping[str, str], booted: Path = BOOTED, cgroup: Path = OWN_CGROUP) -> str:
    """The unit as which systemd runs us; "" where it does not."""
    if "INVOCATION_ID" not in environment or not booted.is_dir():
        return ""
    try:
        return own_unit(cgroup.read_text("utf-8", "replace"))
    except OSError:
        return ""


async def restart_is_coming(unit: str, limit_s: float = ASK_S, systemctl: str = "systemctl") -> bool:
    """Ask systemd for the unit's job; False after `limit_s` seconds without an answer."""
    try:
        async with asyncio.timeout(limit_s):
            return restarts(await _list_jobs(systemctl), unit)
    except (TimeoutError, OSError):
        return False


async def _list_jobs(systemctl: str) -> str:
    asked = await asyncio.create_subprocess_exec(
        systemctl,
        "list-jobs",
        "--no-legend",
        "--no-pager",
        "--plain",
        "--full",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        said, _ = await asked.communicate()
    finally:
        if asked.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                asked.kill()
            await asked.wait()
    return said.decode("utf-8", "replace")
