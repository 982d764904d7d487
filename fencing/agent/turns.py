"""One action at a time for each device, on this host: many of them allow one session only.

A file is locked where there is a folder for it (flock(2)), so that other controllers of this host wait too; the kernel
gives the lock back when its holder dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

PAUSE_S = 0.05
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


class NotMyTurn(Exception):
    """Another action has held the device until the deadline."""


@asynccontextmanager
async def turn(device: str, folder: Path | None, until: float) -> AsyncIterator[None]:
    """Hold the device until the block ends. `until`: in the loop's time. Raises NotMyTurn."""
    descriptor = _opened(folder, device)
    lock = _locks.setdefault(asyncio.get_running_loop(), {}).setdefault(device, asyncio.Lock())
    try:
        await _taken(lock, descriptor, until)
        try:
            yield
        finally:
            lock.release()
    finally:
        if descriptor is not None:
            os.close(descriptor)


async def _taken(lock: asyncio.Lock, descriptor: int | None, until: float) -> None:
    try:
        async with asyncio.timeout_at(until):
            await lock.acquire()
    except TimeoutError:
        raise NotMyTurn from None
    loop = asyncio.get_running_loop()
    try:
        while descriptor is not None and not _locked(descriptor):
            if loop.time() >= until:
                raise NotMyTurn
            await asyncio.sleep(PAUSE_S)
    except BaseException:
        lock.release()
        raise


def _opened(folder: Path | None, device: str) -> int | None:
    """None where nothing can be kept: then only this process waits for itself."""
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(folder / f"device-{device}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: waiting would never end
        return True
    return True
