"""The shell blocks of a page that says of each on which hosts it runs: `<!-- on db1 db2 -->` in the line before."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^<!-- on ([a-z0-9 ]+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A block, and the hosts that run it, in order."""

    hosts: list[str]
    text: str


def steps(text: str) -> list[Step]:
    """Those of a page, or of a part of it, in order."""
    return [Step(hosts.split(), block) for hosts, block in _BLOCK.findall(text)]


def part_of(page: Path, heading: str) -> str:
    """What stands under a heading of the second level."""
    text = page.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert text, f"{page.name} has no heading {heading!r}"
    return text


def shell_blocks(text: str) -> int:
    """How many there are, whether they say where they run or not."""
    return text.count("```sh\n")


def answered(text: str, answer: str) -> str:
    """A block as somebody runs it who is at a terminal and types that answer, in the shell's words."""
    words = f"printf '%s\\n' {shlex.quote(answer)} | script -qec {shlex.quote(text.strip())} /dev/null"
    return f"set -o pipefail; {words}"
