"""mistakes.txt: what a file has wrong, and the lines that it gives."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from config import examine
from tests.config.conftest import GOOD, Files

TRANSCRIPT = Path(__file__).with_name("mistakes.txt")


@dataclass(frozen=True)
class Mistake:
    """One block of the transcript."""

    old: str
    new: str
    said: tuple[str, ...]

    @classmethod
    def of_block(cls, block: str) -> "Mistake":
        def marked(sign: str) -> list[str]:
            return [line[2:] for line in block.splitlines() if line[:1] == sign]

        return cls("\n".join(marked("-")), "\n".join(marked("+")), tuple(marked("=")))

    def made_in(self, text: str) -> str:
        if not self.old:
            return f"{text}{self.new}\n"
        assert text.count(self.old) == 1, f"not once in the file: {self.old}"
        return text.replace(self.old, self.new)

    def block(self, said: list[str]) -> str:
        pairs = (("-", self.old), ("+", self.new), ("=", "\n".join(said)))
        lines = [f"{sign} {line}".rstrip() for sign, text in pairs for line in text.split("\n") if text or sign == "+"]
        return "\n".join(lines) + "\n"


def _blocks() -> tuple[str, list[Mistake]]:
    head, *blocks = TRANSCRIPT.read_text().split("\n\n")
    return head, [Mistake.of_block(block) for block in blocks]


def _said(files: Files, mistake: Mistake) -> list[str]:
    path = files.write(mistake.made_in(GOOD))
    return [str(problem).removeprefix(f"{path}:") for problem in examine(path).problems]


@pytest.mark.parametrize("mistake", _blocks()[1], ids=lambda mistake: mistake.new.strip().replace("\n", "|")[:60])
def test_a_mistake_is_told_with_its_place_and_what_to_write(mistake: Mistake, files: Files) -> None:
    if "UPDATE_TRANSCRIPTS" in os.environ:
        pytest.skip("written anew instead")
    assert _said(files, mistake) == list(mistake.said)


def test_the_transcript_is_written_anew_on_demand(files: Files) -> None:
    head, mistakes = _blocks()
    written = "\n".join([head + "\n", *(mistake.block(_said(files, mistake)) for mistake in mistakes)])
    if "UPDATE_TRANSCRIPTS" in os.environ:
        TRANSCRIPT.write_text(written)
    assert TRANSCRIPT.read_text() == written


def test_the_small_file_has_no_mistake(files: Files) -> None:
    assert files.load().warnings == ()
