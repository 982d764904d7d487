"""failoverctl as an operator runs it: a process of its own, against a controller in memory behind a real server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.fakes import InMemoryController, ServedController

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 30.0


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Its output, for programs."""
        return json.loads(self.out)


Run = Callable[..., Ran]


def run_command(*arguments: str | Path, env: dict[str, str] | None = None, stdin: str = "") -> Ran:
    """Run failoverctl with nothing in the environment but what is given."""
    told = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **(env or {})}
    command = [sys.executable, "-m", "failover.cli", *map(str, arguments)]
    ended = subprocess.run(
        command, env=told, input=stdin, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert "Traceback" not in ended.stderr + ended.stdout
    return Ran(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def controller() -> InMemoryController:
    return InMemoryController()


@pytest.fixture
def served(controller: InMemoryController, tmp_path: Path) -> Iterator[ServedController]:
    folder = tmp_path / "orders-db"
    folder.mkdir()
    with ServedController(controller, folder) as api:
        yield api


@pytest.fixture
def config(served: ServedController, tmp_path: Path) -> Path:
    """A file that leads to the served controller, by its socket and by its address."""
    return write_config(tmp_path, tmp_path, served.url.removeprefix("http://"))


def write_config(folder: Path, state_dir: Path, listen: str) -> Path:
    """A file with the few keys that lead to a controller."""
    path = folder / "orders-db.yaml"
    path.write_text(f"service: orders-db\nstate_dir: {state_dir}\napi: {{listen: '{listen}'}}\n", encoding="utf-8")
    return path


@pytest.fixture
def ctl(config: Path) -> Run:
    """failoverctl with that file."""

    def run(*arguments: str | Path, **how: Any) -> Ran:
        return run_command(*arguments, env={"FAILOVERD_CONFIG": str(config)}, **how)

    return run
