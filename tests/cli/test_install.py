"""install and uninstall, below a root of the test: idempotent, told first, and nothing of the operator's is lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

UNIT = "etc/systemd/system/failoverd@.service"


def ctl(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "failover.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def told(*words: str) -> dict[str, Any]:
    done = ctl(*words, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def needed(answer: dict[str, Any]) -> list[bool]:
    return [step["needed"] for step in answer["steps"]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def test_a_dry_run_says_everything_and_does_nothing(root: Path) -> None:
    answer = told("install", "--service", "orders-db", "--root", str(root), "--dry-run")
    assert needed(answer) == [True] * 4
    assert not root.exists()


def test_it_is_put_in_place_once_and_then_left_alone(root: Path) -> None:
    words = ("install", "--service", "users", "--root", str(root), "--bin", "/opt/f/bin")
    assert needed(told(*words)) == [True] * 4
    unit = (root / UNIT).read_text()
    assert "ExecStart=/opt/f/bin/failoverd /etc/failoverd/%i.yaml" in unit
    assert "service: users\n" in (root / "etc/failoverd/users.yaml").read_text()
    assert needed(told(*words)) == [False] * 4


def test_what_the_operator_has_written_is_never_overwritten(root: Path) -> None:
    config = root / "etc/failoverd/users.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("mine\n")
    told("install", "--service", "users", "--root", str(root))
    assert config.read_text() == "mine\n"


def test_a_unit_of_an_older_version_is_written_anew(root: Path) -> None:
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("[Service]\nExecStart=/old\n")
    told("install", "--root", str(root))
    assert "/old" not in (root / UNIT).read_text()


def test_uninstall_takes_the_units_and_leaves_the_configuration(root: Path) -> None:
    told("install", "--service", "users", "--root", str(root))
    told("uninstall", "--root", str(root))
    assert not (root / UNIT).exists()
    assert (root / "etc/failoverd/users.yaml").exists()
    assert not any(needed(told("uninstall", "--root", str(root))))


STRICT = (
    "etc/sysusers.d/failoverd.conf",
    "etc/tmpfiles.d/failoverd.conf",
    "etc/systemd/system/failoverd@.service.d/strict.conf",
    "etc/systemd/system/failoverd-last-will@.service.d/strict.conf",
    "etc/polkit-1/rules.d/50-failoverd-users.rules",
)


def test_without_root_it_is_all_put_in_place_once_and_taken_away_again(root: Path) -> None:
    words = ("install", "--strict", "--service", "users", "--unit", "a.service", "--unit", "b.service")
    first = told(*words, "--root", str(root), "--dry-run")
    assert needed(first) == [True] * (4 + len(STRICT))
    assert not root.exists()
    assert needed(told(*words, "--root", str(root))) == needed(first)
    assert all((root / path).is_file() for path in STRICT)
    assert 'var units = ["a.service", "b.service"];' in (root / STRICT[-1]).read_text()
    assert not any(needed(told(*words, "--root", str(root))))
    told("uninstall", "--root", str(root))
    assert not any((root / path).exists() for path in STRICT)
    assert not (root / STRICT[2]).parent.exists()
    assert (root / "etc/failoverd/users.yaml").exists()


def test_a_drop_in_of_the_operator_outlives_an_uninstall(root: Path) -> None:
    told("install", "--strict", "--root", str(root))
    mine = root / "etc/systemd/system/failoverd@.service.d/override.conf"
    mine.write_text("[Service]\n")
    told("uninstall", "--root", str(root))
    assert mine.exists()


def test_what_a_package_has_brought_is_not_copied_over(root: Path) -> None:
    for name in ("failoverd@.service", "failoverd-last-will@.service"):
        (root / "lib/systemd/system").mkdir(parents=True, exist_ok=True)
        (root / "lib/systemd/system" / name).write_text("[Service]\n")
    answer = told("install", "--root", str(root))
    assert needed(answer) == [True, False, False]
    assert not (root / UNIT).exists()


@pytest.mark.parametrize("words", [("--unit", "a.service"), ("--strict", "--unit", "a.service"),
                                   ("--strict", "--service", "users", "--unit", 'a"];x.service')])  # fmt: skip
def test_a_unit_that_is_none_or_that_belongs_to_no_service_is_refused(root: Path, words: tuple[str, ...]) -> None:
    done = ctl("install", *words, "--root", str(root))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not root.exists()


@pytest.mark.parametrize("name", ["../etc/passwd", "a b", ""])
def test_a_name_that_is_none_is_refused(root: Path, name: str) -> None:
    done = ctl("install", "--service", name, "--root", str(root))
    assert done.returncode == 2
    assert "is not a name" in done.stderr
    assert not root.exists()


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ctl("install", "--root", str(tmp_path / "file"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "next: " in done.stderr
