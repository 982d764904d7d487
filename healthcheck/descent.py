"""The descendants of processes, read from /proc, without a walk through every process of the host.

Knows nothing of what is done with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


class TreeUnknown(Exception):
    """What descends from a process cannot be told: /proc does not say, or there are more than anyone follows."""


def descendants(roots: Iterable[int], most: int) -> set[int]:
    """Every process below `roots`, which are not counted themselves. Raises TreeUnknown; beyond `most`, too."""
    found: set[int] = set()
    above = set(roots)
    seen = set(above)
    while above:
        for child in _children(above.pop()) - seen:
            seen.add(child)
            above.add(child)
            found.add(child)
        if len(found) > most:
            raise TreeUnknown(f"more than {most} processes")
    return found


def _children(pid: int) -> set[int]:
    """The children of a process: the kernel lists them by the thread that forked each. Nobody's, once it has ended."""
    found: set[int] = set()
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return found
    except OSError as error:
        raise TreeUnknown(f"/proc/{pid}: {error.strerror}") from None
    listed = 0
    for thread in threads:
        try:
            descriptor = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended, or this kernel has no such file
            continue
        except OSError as error:
            raise TreeUnknown(f"/proc/{pid}: {error.strerror}") from None
        try:
            found.update(map(int, _whole(descriptor).split()))
            listed += 1
        except ProcessLookupError:
            continue
        finally:
            os.close(descriptor)
    if threads and not listed and os.path.exists(f"/proc/{pid}/task/{pid}"):
        raise TreeUnknown("this kernel does not list the children of a process")
    return found


def _whole(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 65536):
        parts.append(part)
    return b"".join(parts)
