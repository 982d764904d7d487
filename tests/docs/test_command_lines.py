"""Every `failoverctl …` in the documentation names a command that is there, with options that it has."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from failover.cli.app import app
from tests.docs.pages import ROOT, blocks, pages, spans

LATER: frozenset[str] = frozenset()
_LATER_IS_SAID = "in this release"
_LIMITS = ROOT / "docs" / "reference" / "limits.md"
_COMMAND_LINE = re.compile(r"\bfailoverctl((?: +(?:\"[^\"]*\"|[^\s|;&`()#\"]+))*)")
_WORD = re.compile(r"[a-z][a-z-]+")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def commands() -> dict[str, Any]:
    """By whole names, those of groups one by one: `fence plan`."""
    return dict(_flattened(cast(Any, typer.main.get_command(app)).commands))


def _flattened(known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, command in known.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", one) for inner, one in _flattened(command.commands))
        else:
            yield name, command


def options_of(name: str) -> set[str]:
    if name in {"demo", "may-start", "fence-local"}:  # they parse their own arguments
        return set(_OPTION.findall(_help(name)))
    known = {word for one in commands()[name].params for word in (*one.opts, *one.secondary_opts)}
    return known | {"--help"}


def _help(name: str) -> str:
    words = [sys.executable, "-m", "failover.cli", name, "--help"]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True, cwd=ROOT).stdout


def command_lines(page: Path) -> Iterator[tuple[list[str], str]]:
    """Each command line's words after `failoverctl`, and the line in which it stands."""
    for block in blocks(page):
        if block.language != "text":  # what a program printed
            joined = block.text.replace("\\\n", " ")
            yield from ((words, line) for line in joined.splitlines() for words in _in(line))
    for span, line in spans(page):
        yield from ((words, line) for words in _in(span))


def _in(line: str) -> Iterator[list[str]]:
    for found in _COMMAND_LINE.finditer(line.split(" # ")[0]):
        words = shlex.split(found[1])
        if words and (words[0].startswith("-") or _WORD.fullmatch(words[0])):
            yield words


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_names_a_command_and_options_that_are_there(page: Path) -> None:
    wrong = [mistake for words, line in command_lines(page) if (mistake := _mistake(page, words, line))]
    assert not wrong, f"{page.relative_to(ROOT)}: " + "; ".join(wrong)


def _mistake(page: Path, words: list[str], line: str) -> str:
    name = words[0]
    if any(one.startswith(f"{name} ") for one in commands()):
        name = " ".join(words[:2])
    if name in LATER and (page == _LIMITS or _LATER_IS_SAID in line):
        return ""
    if name.startswith("-"):
        return "" if name in {"--help", "--version"} else f"{name} is no option of failoverctl"
    if name not in commands():
        return f"there is no command {name} in: {line.strip()}"
    given = [word.partition("=")[0] for word in words[1:] if word.startswith("-")]
    unknown = [word for word in given if word not in options_of(name)]
    return f"{name} has no {' '.join(unknown)} in: {line.strip()}" if unknown else ""


def test_what_is_said_to_come_later_is_not_there_yet() -> None:
    assert not LATER & set(commands()), "take it off the list, and describe it"


def test_every_command_is_told_of_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert [name for name in commands() if f"### `failoverctl {name}`" not in page] == []


@pytest.mark.parametrize("name", ["demo", "may-start", "fence-local"])
def test_the_reference_names_every_option_of_a_command_that_parses_its_own(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    unknown = [word for word in options_of(name) - {"-h", "--help"} if f"`{word}" not in page]
    assert not unknown, f"cli.md says nothing of {name} {' '.join(unknown)}"
