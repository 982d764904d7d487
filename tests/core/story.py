"""A story: commands at the left margin, and beneath each, indented, what the controller made of it.

Blank lines and lines that begin with `#` are the author's and stay as they are. Unknown here: what a command means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
INDENT = "    "


@dataclass
class Part:
    """One line of the author's, and the narration that is expected beneath it."""

    line: str
    narration: list[str] = field(default_factory=list)

    @property
    def command(self) -> str:
        """What happens; "" for a comment or a blank line."""
        return "" if self.line.startswith("#") else self.line


def read(path: Path) -> list[Part]:
    """The story's parts in order."""
    parts: list[Part] = []
    for line in path.read_text().splitlines():
        if not line.startswith(INDENT):
            parts.append(Part(line.rstrip()))
        elif parts and parts[-1].command:
            parts[-1].narration.append(line.strip())
        else:
            raise ValueError(f"{path.name}: narration without a command: {line.strip()!r}")
    return parts


def told(parts: list[Part], tell: Callable[[str], list[str]]) -> str:
    """The story's text as it is told now."""
    lines: list[str] = []
    for part in parts:
        lines.append(part.line)
        if part.command:
            lines.extend(INDENT + line for line in tell(part.command))
    return "\n".join(lines) + "\n"
