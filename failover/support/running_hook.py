"""The controller's side of one running hook: its streams, and the outcome that is waited for.

Knows nothing of the launcher, nor of when a hook has to end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from failover.support.command import Command, Outcome
from failover.support.output import Output


class RunningHook:
    """A hook that was handed over: `result` is set once, when it ended or proved unstoppable."""

    def __init__(self, id_: str, name: str, descriptors: Sequence[int]) -> None:
        self.id = id_
        self.name = name
        self.streams = [Output(descriptor) for descriptor in descriptors]
        self.failure = ""
        self.overdue: asyncio.TimerHandle | None = None
        self.result: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def end(self, status: int | None, timed_out: bool, unstoppable: bool, error: str = "") -> None:
        """Set the result from the leader's wait status; None: it is not known, `error` says why."""
        if self.overdue is not None:
            self.overdue.cancel()
        output, errors, *_ = (*(stream.close() for stream in self.streams), "")
        if self.result.done():
            return
        code = None if status is None else os.waitstatus_to_exitcode(status)
        self.result.set_result(
            Outcome(
                exit_code=code if code is not None and code >= 0 else None,
                signal=-code if code is not None and code < 0 else None,
                timed_out=timed_out,
                unstoppable=unstoppable,
                output=output,
                errors=errors,
                started=not self.failure,
                error=self.failure or error,
            )
        )


class Streams:
    """The ends of a command's streams: `theirs` to be handed over (input, output[, errors]), `ours` to be read."""

    def __init__(self, theirs: Sequence[int], ours: Sequence[int]) -> None:
        self.theirs = theirs
        self._ours = list(ours)
        self.kept = False

    def keep(self) -> list[int]:
        """Ours, which are the caller's to close from now on."""
        self.kept = True
        return self._ours

    def close(self) -> None:
        """Close theirs; ours too, unless they were taken."""
        for descriptor in (*self.theirs, *([] if self.kept else self._ours)):
            os.close(descriptor)


@contextmanager
def streams_for(command: Command) -> Iterator[Streams]:
    """Make them, and close in the end what is not kept. Raises OSError."""
    with ExitStack() as undo:
        theirs, ours = [_input(command.stdin)], []
        undo.callback(os.close, theirs[0])
        for _ in range(2 if command.split else 1):
            readable, writable = os.pipe()
            undo.callback(os.close, readable)
            undo.callback(os.close, writable)
            ours.append(readable)
            theirs.append(writable)
        undo.pop_all()
    streams = Streams(theirs, ours)
    try:
        yield streams
    finally:
        streams.close()


def _input(content: bytes) -> int:
    """A descriptor to read `content` from: no pipe that would have to be fed."""
    if not content:
        return os.open(os.devnull, os.O_RDONLY)
    descriptor = os.memfd_create("stdin")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
