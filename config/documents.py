"""YAML text -> plain data, the place of everything in it, and what is wrong with it as YAML.

Knows nothing of settings. Duplicate keys, tags, missing values and excess are found here; the
data holds text, numbers, booleans, lists and dicts with text keys, and is never deep or huge.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, Protocol

from config.positions import START, Position, Positions
from config.problems import Finding, KeyPath, printable_key
from config.scalars import value_of

DEEPEST = 20
MOST_NODES = 20_000


class Node(Protocol):
    """What is used of the parser's nodes."""

    id: str  # scalar, sequence or mapping
    tag: Any
    value: Any
    start_mark: Any


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its data, places, and what was wrong with it."""

    data: dict[str, object]
    positions: Positions
    findings: tuple[Finding, ...] = ()


class SyntaxProblemError(Exception):
    """The text is no YAML document at all; the rest of the file cannot be judged."""

    def __init__(self, message: str, position: Position, hint: str = "") -> None:
        """Keep what is wrong and where."""
        super().__init__(message)
        self.position = position
        self.hint = hint


def parse(text: str) -> Document:
    """Read one document. Raises SyntaxProblemError when it is not YAML or not a mapping."""
    root = _compose(text)
    if root is None:
        raise SyntaxProblemError("the file is empty", START, "start with: service: NAME")
    reader = _Reader()
    data = reader.value((), root, 0)
    if not isinstance(data, dict):
        what = "expected keys and values"
        raise SyntaxProblemError(what, _place(root), "start with: service: NAME")
    positions = Positions(reader.keys, reader.values)
    return Document(data, positions, tuple(reader.findings))


def _compose(text: str) -> Node | None:
    from ruamel.yaml import YAML  # late: reading its grammar costs what a start-up can spare
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor used anew is no concern of ours
            root: Node | None = YAML(typ="safe", pure=True).compose(text)
            return root
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(mark.line + 1, mark.column + 1) if mark else START
        raise SyntaxProblemError(_worded(error), place) from None
    except YAMLError as error:
        raise SyntaxProblemError("a character that YAML forbids", _offset(text, error)) from None
    except RecursionError:
        raise SyntaxProblemError("nested too deep", START) from None
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
        NotImplementedError,
    ):
        # What a parser may let slip on odd directives and tags must not reach an operator.
        raise SyntaxProblemError("the YAML cannot be read", START, "remove directives") from None


def _worded(error: object) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "unreadable"
    return f"not valid YAML: {' '.join(str(problem).split())[:200]}"


def _offset(text: str, error: object) -> Position:
    offset = getattr(error, "position", None)
    if not isinstance(offset, int):
        return START
    before = text[:offset]
    return Position(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _place(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


@dataclass
class _Reader:
    keys: dict[KeyPath, Position] = field(default_factory=dict)
    values: dict[KeyPath, Position] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    nodes: int = 0

    def value(self, path: KeyPath, node: Node, depth: int) -> object:
        self.nodes += 1  # counted each time an alias is followed: a small file can mean a huge one
        if depth > DEEPEST or self.nodes > MOST_NODES:
            what = "nested too deep" if depth > DEEPEST else "too many values"
            raise SyntaxProblemError(what, _place(node), "aliases count each time")
        if node.id == "mapping":
            return self.mapping(path, node, depth)
        if node.id == "sequence":
            return self.sequence(path, node, depth)
        self.values[path] = _place(node)
        return value_of(str(node.tag), str(node.value))

    def sequence(self, path: KeyPath, node: Node, depth: int) -> list[object]:
        items: list[object] = []
        for index, item in enumerate(node.value):
            here = (*path, index)
            self.keys[here] = _place(item)
            items.append(self.accepted(here, item, depth))
        return items

    def mapping(self, path: KeyPath, node: Node, depth: int) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if key_node.id != "scalar":
                raise SyntaxProblemError("a key must be plain text", place, "quote it")
            key = str(value_of("", str(key_node.value)))
            here = (*path, key)
            if key in data or here in self.keys:
                self.duplicate(here, place)
                continue
            self.keys[here] = place
            value = self.accepted(here, value_node, depth)
            if value is not None:
                data[key] = value
        return data

    def accepted(self, path: KeyPath, node: Node, depth: int) -> object:
        tag = str(node.tag)
        if not tag.startswith("tag:yaml.org,2002:") or tag.endswith(":binary"):
            self.findings.append(Finding(path, f"the tag {printable_key(tag)} means nothing here"))
        value = self.value(path, node, depth + 1)
        if value is None:
            hint = "write one, or remove the key"
            self.findings.append(Finding(path, "has no value", hint, at_key=True))
        return value

    def duplicate(self, path: KeyPath, place: Position) -> None:
        message = f"written twice; the first is on line {self.keys[path].line}"
        self.findings.append(Finding(path, message, "keep one", place=place))
