"""A controller in memory behind a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.fakes import InMemoryController, ServedController


@pytest.fixture
def controller() -> InMemoryController:
    return InMemoryController()


@pytest.fixture
def api(controller: InMemoryController, tmp_path: Path) -> Iterator[ServedController]:
    with ServedController(controller, tmp_path) as served:
        yield served
