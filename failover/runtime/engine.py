"""The engine: the only mutable state of a controller. Events in, effects out, in order.

It is synchronous and owns no clock: the same engine runs in the daemon (on asyncio) and in the simulation (on a
simulated clock). What differs is the `Edge`.

The promises that the core relies on:
- one event at a time, in the order of `post`;
- each lane runs one effect at a time, in order; the answer is posted before the next effect of the lane starts;
- a question is answered exactly once: by the edge, or by the deadline; what comes later is dropped;
- what `Cancel` names is ended before the next effect of its lane starts (S4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from failover.core.effects import Cancel, Effect, Lane, Question, SetTimer, StopTimer
from failover.core.events import Event, TimerFired
from failover.core.state import State
from failover.core.step import Step, step

MOST_QUEUED = 64


class Cancellable(Protocol):
    """Something that will happen unless it is cancelled."""

    def cancel(self) -> None: ...


class Running(Protocol):
    """An effect that is being carried out."""

    def end(self, ended: Callable[[], None]) -> None:
        """End it (a hook: its whole process group); call `ended` once it is gone, or cannot be ended."""


class Edge(Protocol):
    """What the engine needs of the world."""

    def start(self, effect: Effect, answer: Callable[[Event], None]) -> Running:
        """Carry out an effect of a lane; `answer` may be called at once or later, on the engine's thread."""

    def at_once(self, effect: Effect) -> None:
        """Carry out an effect without a lane."""

    def deadline_s(self, effect: Effect) -> float | None:
        """How long the effect may take, in seconds; None: for ever (opening a session)."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancellable:
        """Call back on the engine's thread."""

    def lengthen(self, delay_s: float, jitter: float) -> float:
        """The delay with a random share of up to `jitter` of it added."""


class Overrun(Exception):
    """A queue is full: the controller cannot keep up and must stop (S10)."""


class _Run:
    """One effect in flight."""

    def __init__(self, effect: Effect) -> None:
        self.effect = effect
        self.running: Running | None = None
        self.deadline: Cancellable | None = None
        self.over = False

    def close(self) -> None:
        self.over = True
        if self.deadline is not None:
            self.deadline.cancel()


class _Lane:
    """An ordered outbox."""

    def __init__(self, name: Lane, edge: Edge, post: Callable[[Event], None]) -> None:
        self.name = name
        self._edge = edge
        self._post = post
        self._queue: deque[Effect] = deque()
        self._run: _Run | None = None

    @property
    def idle(self) -> bool:
        return self._run is None and not self._queue

    def add(self, effect: Effect) -> None:
        if len(self._queue) >= MOST_QUEUED:
            raise Overrun(f"more than {MOST_QUEUED} effects wait in lane {self.name.value}")
        self._queue.append(effect)

    def advance(self) -> None:
        """Start the next effect if none runs."""
        while self._run is None and self._queue:
            effect = self._queue.popleft()
            run = self._run = _Run(effect)
            limit_s = self._edge.deadline_s(effect)
            if limit_s is not None:
                run.deadline = self._edge.call_later(limit_s, lambda run=run: self._expire(run))  # type: ignore[misc]
            running = self._edge.start(effect, lambda event, run=run: self._answer(run, event))  # type: ignore[misc]
            run.running = running

    def cancel(self, attempt: int) -> None:
        """Drop what is queued of the attempt and end what runs of it."""
        self._queue = deque(e for e in self._queue if not _of_attempt(e, attempt))
        run = self._run
        if run is not None and not run.over and _of_attempt(run.effect, attempt):
            run.close()
            self._end(run)

    def _answer(self, run: _Run, event: Event) -> None:
        if run.over:
            return
        run.close()
        if self._run is run:
            self._run = None
        self._post(event)
        self.advance()

    def _expire(self, run: _Run) -> None:
        if run.over:
            return
        run.close()
        unanswered = getattr(run.effect, "unanswered", None)
        if unanswered is not None:
            self._post(unanswered())
        self._end(run)

    def _end(self, run: _Run) -> None:
        """The lane stays taken until what ran has ended; a store's transaction cannot be ended, only disowned."""

        def ended() -> None:
            if self._run is run:
                self._run = None
                self.advance()

        if self.name is Lane.STORE or run.running is None:
            ended()
        else:
            run.running.end(ended)


def _of_attempt(effect: Effect, attempt: int) -> bool:
    return isinstance(effect, Question) and effect.attempt == attempt


Observer = Callable[[State, Event, Step], None]
Keep = Callable[[State], None]


class Engine:
    """Runs the core: `post` is the only way in. Not thread-safe: one thread, one engine.

    `keep` is called after each step and before its effects: what a successor must know is written first (design §3).
    """

    def __init__(self, state: State, edge: Edge, observer: Observer, keep: Keep | None = None) -> None:
        self.state = state
        self._edge = edge
        self._observer = observer
        self._keep = keep
        self._inbox: deque[Event] = deque()
        self._turning = False
        self._timers: dict[str, Cancellable] = {}
        self._lanes = {name: _Lane(name, edge, self.post) for name in Lane}

    def idle(self, lane: Lane) -> bool:
        """Whether nothing runs or waits in the lane."""
        return self._lanes[lane].idle

    def timer(self, name: str) -> Cancellable | None:
        """The handle of a timer that the core has set, as `call_later` gave it; None once it has run down."""
        return self._timers.get(name) if name in self.state.timers else None

    def post(self, event: Event) -> None:
        """Take an event. Raises BrokenInvariant or Overrun when the controller must stop (S10)."""
        self._inbox.append(event)
        if self._turning:
            return
        self._turning = True
        try:
            while self._inbox:
                self._turn(self._inbox.popleft())
        finally:
            self._turning = False
        for lane in self._lanes.values():
            lane.advance()

    def _turn(self, event: Event) -> None:
        before = self.state
        result = step(before, event)
        self.state = result.state
        if self._keep is not None:
            self._keep(result.state)
        for effect in result.effects:
            self._dispatch(effect)
        self._observer(before, event, result)

    def _dispatch(self, effect: Effect) -> None:
        if effect.lane is not None:
            self._lanes[effect.lane].add(effect)
        elif isinstance(effect, Cancel):
            for lane in self._lanes.values():
                lane.cancel(effect.attempt)
        elif isinstance(effect, SetTimer):
            self._set_timer(effect)
        elif isinstance(effect, StopTimer):
            self._stop_timer(effect.name)
        else:
            self._edge.at_once(effect)

    def _set_timer(self, effect: SetTimer) -> None:
        self._stop_timer(effect.name)
        delay_s = self._edge.lengthen(effect.after_s, effect.jitter)
        event = TimerFired(effect.name, effect.turn)
        self._timers[effect.name] = self._edge.call_later(delay_s, lambda: self.post(event))

    def _stop_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
