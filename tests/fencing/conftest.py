"""What several of these tests fence through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fencing.far_side import FarSide, far_side
from tests.servers.sshd import Sshd


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with Sshd() as server:
        yield server


@pytest.fixture
def far(sshd: Sshd) -> Iterator[FarSide]:
    with far_side(sshd) as made:
        yield made
