"""The last steps of a run in readable form, kept cheaply: words are only made when somebody reads them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from failover.core.events import Event
from failover.core.step import Step

KEPT = 40


@dataclass(frozen=True, slots=True)
class Line:
    """Either a step of a controller, or a note about the world."""

    at_s: float
    who: str
    event: Event | None
    step: Step | None
    note: str = ""

    def __str__(self) -> str:
        head = f"{self.at_s:9.3f}  {self.who:<6}"
        if self.event is None or self.step is None:
            return f"{head} -- {self.note}"
        if self.step.stale:
            return f"{head} {_short(self.event)}: stale, {self.step.why}"
        effects = ", ".join(type(effect).__name__ for effect in self.step.effects)
        role = self.step.state.role.value
        return f"{head} {_short(self.event)} -> {role}: {self.step.why}" + (f"  [{effects}]" if effects else "")


def _short(event: Event) -> str:
    text = repr(event)
    return text if len(text) <= 200 else text[:197] + "..."


class Journal:
    """The last lines."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lines: deque[Line] = deque(maxlen=kept)

    def step(self, at_s: float, who: str, event: Event, step: Step) -> None:
        self._lines.append(Line(at_s, who, event, step))

    def note(self, at_s: float, who: str, text: str) -> None:
        self._lines.append(Line(at_s, who, None, None, text))

    def text(self) -> str:
        return "\n".join(str(line) for line in self._lines)
