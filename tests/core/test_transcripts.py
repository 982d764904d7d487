"""Every story in tests/transcripts is told anew and must read as it is written (S1-S8).

`make rewrite` writes what the core does now; read the diff against the safety rules before you keep it.
"""

from pathlib import Path

import pytest

from tests.core.story import TRANSCRIPTS, read, told
from tests.core.teller import Teller

STORIES = sorted(TRANSCRIPTS.glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_a_story_is_told_as_it_is_written(path: Path, request: pytest.FixtureRequest) -> None:
    text = told(read(path), Teller().tell)
    if request.config.getoption("--rewrite", default=False):
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines()


def test_there_are_stories() -> None:
    assert len(STORIES) > 30
