"""Every example that is shipped can be loaded, and says nothing unwise."""

from importlib.resources import files as resources
from pathlib import Path

import pytest

from config import examine, load

EXAMPLES = sorted(path for path in Path(str(resources("config") / "examples")).glob("*.yaml"))


def test_the_examples_are_there() -> None:
    names = [path.stem for path in EXAMPLES]
    assert names == ["demo-local", "minimal", "postgresql", "redis-zookeeper", "systemd-unit"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_no_mistake(path: Path) -> None:
    assert load(path, read_secrets=False).service


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_warned_of_nothing_but_hooks_that_are_not_on_this_host(path: Path) -> None:
    problems = examine(path, read_secrets=False).problems
    unwise = [str(problem) for problem in problems if not problem.path.endswith(".run")]
    assert unwise == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_is_for(path: Path) -> None:
    assert path.read_text().startswith("# ")
