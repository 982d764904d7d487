"""What a running command writes: read as it comes, its beginning and its end kept, the rest dropped.

A flood is drained slowly, so that it can neither fill the memory nor keep the loop busy.
"""

from __future__ import annotations

import asyncio
import os

LONGEST_OUTPUT = 64 * 1024
CHUNK = 64 * 1024
FLOOD = 1024 * 1024
FLOOD_PAUSE_S = 0.02
MOST_LAST_CHUNKS = 16


class Output:
    """Reads `descriptor` (a pipe's end, which it owns from now on) on the running loop until `close`."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0
        self._pause: asyncio.TimerHandle | None = None
        self._open = True
        self._loop.add_reader(descriptor, self._readable)

    def close(self) -> str:
        """Take what is there now, stop reading, and give the text. Never waits for others who hold the pipe."""
        if self._open:
            for _ in range(MOST_LAST_CHUNKS):
                if not self._read():
                    break
            self._stop()
            os.close(self._descriptor)
            self._open = False
        return self._text()

    def _readable(self) -> None:
        if not self._read():
            self._stop()  # the other end is closed: nothing more will come
        elif self._total > FLOOD:
            self._stop()
            self._pause = self._loop.call_later(FLOOD_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._descriptor, self._readable)

    def _stop(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return False
        self._keep(data)
        return bool(data)

    def _keep(self, data: bytes) -> None:
        self._total += len(data)
        room = LONGEST_OUTPUT // 2 - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room < len(data) else b""
        del self._tail[: max(0, len(self._tail) - LONGEST_OUTPUT // 2)]

    def _text(self) -> str:
        left_out = self._total - len(self._head) - len(self._tail)
        gap = f"\n… {left_out} bytes left out …\n".encode() if left_out else b""
        return (self._head + gap + self._tail).decode("utf-8", "replace")
