"""A small file that is right, ways to make it wrong, and secrets to refer to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config import Config, ConfigError, examine, load

GOOD = """\
service: orders
node: db1
store:
  kind: zookeeper
  hosts: [zk1:2181]
nodes:
  db1: {address: 10.0.0.11, bmc: 10.0.9.11}
  db2: {address: 10.0.0.12, bmc: 10.0.9.12}
control:
  kind: command
  promote: {run: /bin/sh}
  demote: {run: /bin/sh, timeout: 1s}
  role: {run: /bin/sh}
health:
  - {kind: tcp, port: 5432}
fencing:
  methods:
    power: {kind: command, run: [/bin/sh, "{node.bmc}"]}
"""


class Files:
    """Writes files into one folder and says what `config` makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "failoverd.yaml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def secret(self, text: str = "correct horse battery staple", mode: int = 0o600) -> Path:
        path = self.folder / "secret"
        path.write_text(text)
        path.chmod(mode)
        return path

    def load(self, text: str = GOOD, read_secrets: bool = True) -> Config:
        return load(self.write(text), read_secrets)

    def errors(self, text: str) -> list[str]:
        """The lines of the error, without the file's name."""
        try:
            load(self.write(text))
        except ConfigError as error:
            return [line.removeprefix(f"{self.folder}/failoverd.yaml:") for line in _lines(error)]
        return []

    def warnings(self, text: str) -> list[str]:
        problems = examine(self.write(text)).problems
        found = [str(problem) for problem in problems if problem.severity == "warning"]
        return [line.removeprefix(f"{self.folder}/failoverd.yaml:") for line in found]


def _lines(error: ConfigError) -> list[str]:
    return str(error).split("\n")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def changed() -> Callable[[str, str], str]:
    """The good file with one text in place of another."""

    def change(old: str, new: str) -> str:
        assert GOOD.count(old) == 1, f"{old!r} is in the good file {GOOD.count(old)} times"
        return GOOD.replace(old, new)

    return change


@pytest.fixture
def good() -> str:
    return GOOD
