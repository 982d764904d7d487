"""Every example that is shipped can be loaded, and says nothing unwise."""

import subprocess
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


def test_each_hook_for_postgresql_can_be_run_and_is_a_script_that_any_shell_reads() -> None:
    folder = EXAMPLES[0].parent / "postgresql"
    hooks = {path.name for path in folder.iterdir() if path.stat().st_mode & 0o111}
    assert hooks == {"promote", "demote", "follow", "role", "ready", "position"}
    for path in folder.iterdir():
        read = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, timeout=10, check=False)
        assert (read.returncode, read.stderr) == (0, "")
