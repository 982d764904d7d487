"""Where each key and value of a document stands: lines and columns from 1.

Knows no YAML: `config.documents` fills it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from config.problems import Finding, KeyPath, Problem, printable_path


class Position(NamedTuple):
    """A place in the file, both numbers from 1."""

    line: int
    column: int


START = Position(1, 1)


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of one document's keys and values, by path."""

    keys: Mapping[KeyPath, Position] = field(default_factory=dict)
    values: Mapping[KeyPath, Position] = field(default_factory=dict)

    def of(self, path: KeyPath, at_key: bool = False) -> Position:
        """Give the place of a path, or of the nearest one above it that is written."""
        for length in range(len(path), 0, -1):
            here = path[:length]
            first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
            found = first.get(here) or second.get(here)
            if found:
                return found
            at_key = True  # what is missing in a section is shown at the section's own key
        return START

    def problem(self, file: str, finding: Finding) -> Problem:
        """Turn a finding into a problem with its place."""
        line, column = finding.place or self.of(finding.path, finding.at_key)
        path = printable_path(finding.path)
        return Problem(file, line, column, path, finding.message, finding.hint, finding.severity)
