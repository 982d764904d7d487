"""What is wrong with a configuration file, and where: plain values, made to be printed.

Knows nothing of YAML, pydantic or files: others find the problems.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
KeyPath = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[\w-]{1,60}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, as an editor or an operator wants it: the place, what is wrong, what to do."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """Give `file:line:column: path: message`, and the hint after a semicolon."""
        parts = [f"{self.file}:{self.line}:{self.column}"]
        if self.severity == "warning":
            parts.append("warning")
        if self.path:
            parts.append(self.path)
        parts.append(f"{self.message}; {self.hint}" if self.hint else self.message)
        return ": ".join(parts)


class ConfigError(Exception):
    """The file cannot be used. `problems` holds every mistake, sorted by line; `str()` prints them.

    The only exception that reading a configuration raises for bad input.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in the order of the file."""
        self.problems = in_file_order(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem whose place is still a path of keys, not yet a line."""

    path: KeyPath
    message: str
    hint: str = ""
    severity: Severity = "error"
    at_key: bool = False  # point at the key, not at its value
    meant: str = ""  # the key that a misspelt one stands for
    excess: bool = False  # a key too many: without it the rest of its section stands
    place: tuple[int, int] | None = None  # line and column, where the path alone does not tell


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort by line, then column, errors before warnings."""
    return tuple(sorted(problems, key=lambda p: (p.line, p.column, p.severity, p.path, p.message)))


def printable_path(path: KeyPath) -> str:
    """Write a path of keys as `health[0].port`; odd keys are quoted, so that output stays sane."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + printable_key(key)
    return text


def printable_key(key: str) -> str:
    """Give a key as it is if plain, else quoted and cut short."""
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key[:60])


def likely(word: str, known: Iterable[str]) -> str:
    """Give the known word that a misspelt one most likely stands for, else an empty text.

    Short words that begin differently are other words (path and auth), not misspellings.
    """
    import difflib  # only where there is a mistake: it is large

    word = word[:100]
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    alike = difflib.get_close_matches(word, near, n=1, cutoff=0.8)
    return next((guess for guess in near if guess[:1] == word[:1].lower()), "".join(alike))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give `did you mean "x"?` for a likely misspelling, else an empty text."""
    near = likely(word, known)
    return f'did you mean "{near}"?' if near else ""
