"""An asyncio loop on the simulated clock, so that the production fence chain runs in the simulation as it is.

One for each controller: what runs on it passes the controller's gate, so a stopped controller's coroutines stand still.
Only what the chain needs is there: tasks, futures, timers, and connections to the simulated hosts' ports.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, cast

from tests.simulation.gate import Gate, GatedTimer

Connect = Callable[[str], Coroutine[Any, Any, None]]


class _Transport(asyncio.Transport):
    """A connection that was accepted."""

    def abort(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


class SimulatedLoop:
    """Runs what is ready in the order of asking. `connect` raises, hangs or returns, as a connection would."""

    def __init__(self, gate: Gate, connect: Connect) -> None:
        self._gate = gate
        self._connect = connect
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...], Context]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = self._called = False

    def time(self) -> float:
        return self._gate.now_s()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._gate.dead

    def call_exception_handler(self, context: Any) -> None:
        pass  # whoever waits for a task looks at how it ended

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=cast(Any, self))

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=cast(Any, self), name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        entry = (callback, args, context or copy_context())
        self._ready.append(entry)
        if not self._called and not self._running:
            self._called = True
            self._gate.call_later(0.0, self._run)
        return _Soon(self._ready, entry)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """It may be cancelled until it is called: also when it is due, and waits for its turn."""
        known = context or copy_context()

        def in_turn() -> None:
            if not timer.cancelled:
                callback(*args)

        timer: GatedTimer = self._gate.call_later(max(0.0, delay), lambda: self.call_soon(in_turn, context=known))
        return timer

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        return self.call_later(when - self.time(), callback, *args, context=context)

    async def create_connection(self, factory: Callable[[], Any], host: Any = None, *_: Any, **__: Any) -> Any:
        await self._connect(str(host))
        return _Transport(), factory()

    def die(self) -> None:
        """The process is gone: what ran ends without a trace; its gate lets nothing out any more."""
        for task in list(self._tasks):
            task.cancel()
        if not self._running:
            self._run()

    def _run(self) -> None:
        """Until nothing is ready any more; what a step raises comes out here, and ends the simulation."""
        outer = asyncio._get_running_loop()
        self._running, self._called = True, False
        asyncio._set_running_loop(cast(Any, self))
        try:
            while self._ready:
                callback, args, context = self._ready.popleft()
                context.run(callback, *args)
        finally:
            self._running = False
            asyncio._set_running_loop(outer)


class _Soon:
    """The handle of a callback that is ready."""

    def __init__(self, ready: deque[Any], entry: Any) -> None:
        self._ready = ready
        self._entry = entry

    def cancel(self) -> None:
        if self._entry in self._ready:
            self._ready.remove(self._entry)
