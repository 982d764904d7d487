"""What tests of hooks share: a launcher for one coroutine, shell lines as commands, and looking at processes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from failover.support.command import Command, hook_environment
from failover.support.launcher import Launcher
from failover.support.spawner import members, read_stat

T = TypeVar("T")


def with_launcher(state_dir: Path, story: Callable[[Launcher], Awaitable[T]]) -> T:
    """Run `story` with a launcher of its own, in a loop of its own."""

    async def told() -> T:
        launcher = await Launcher.start(state_dir)
        try:
            return await story(launcher)
        finally:
            await launcher.close()

    return asyncio.run(told())


def shell(line: str, timeout_s: float = 10.0, name: str = "test", stdin: bytes = b"") -> Command:
    """A command that runs one shell line."""
    return Command(("/bin/sh", "-c", line), hook_environment({}), timeout_s, name, stdin)


def lives(pid: int) -> bool:
    """Whether that process runs (a zombie does not)."""
    stat = read_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def session_is_empty(session: int) -> bool:
    """Whether nothing of that session runs."""
    return not members(session)


def number_in(path: Path) -> int:
    """The number that a hook has written to a file, 0 as long as it has not."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return 0
    return int(text) if text.endswith("\n") else 0
