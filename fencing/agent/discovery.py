"""Which fence agents are installed. Runs none of them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")
NO_AGENTS = frozenset({"fence_ack_manual", "fence_kdump_send", "fence_virtd", "fence_legacy", "fence_watchdog"})
_NAME = re.compile(r"fence_[a-z0-9_]+", re.ASCII)


class AgentError(Exception):
    """An agent cannot be used; the text says why, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def installed(folders: Sequence[str] = FOLDERS) -> dict[str, Path]:
    """Name and path of each agent; of the same name in several folders the first."""
    found: dict[str, Path] = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            if _NAME.fullmatch(name) and name not in NO_AGENTS and os.access(f"{folder}/{name}", os.X_OK):
                found.setdefault(name, Path(folder, name))
    return dict(sorted(found.items()))


def find(name: str, folders: Sequence[str] = FOLDERS) -> Path:
    """Its path. Raises AgentError: not there, not a program, or others may write it."""
    for folder in folders:
        path = Path(folder, name)
        if path.exists():
            _refuse_what_others_may_write(path)
            return path
    hint = "install it: Debian's package fence-agents has most; failoverctl fence agents lists what there is"
    raise AgentError(f"{name} is not installed (looked in {', '.join(folders)})", hint)


def _refuse_what_others_may_write(path: Path) -> None:
    real = path.resolve()
    for each in (real, real.parent, path.parent):
        try:
            told = each.stat()
        except OSError as error:
            raise AgentError(f"{each}: {error.strerror}") from None
        if told.st_mode & stat.S_IWOTH and not told.st_mode & stat.S_ISVTX:
            raise AgentError(f"{each} may be written by everybody", f"chmod o-w {each}")
        if told.st_mode & stat.S_IWGRP and told.st_gid != 0:
            raise AgentError(f"{each} may be written by its group", f"chmod g-w {each}")
        if told.st_uid not in (0, os.geteuid()):
            raise AgentError(f"{each} belongs to another user", f"chown root {each}")
    if not stat.S_ISREG(real.stat().st_mode) or not os.access(real, os.X_OK):
        raise AgentError(f"{path} is not a program that can be run")
