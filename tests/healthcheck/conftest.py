"""Services for tests of probes, ended afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.healthcheck.services import Services


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """A folder with a program that sleeps."""
    made = Services(tmp_path)
    yield made
    made.close()
