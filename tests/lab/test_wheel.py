"""The wheel, built and installed by a real pipx into a home of its own, as somebody without a checkout would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import CHECKOUT
from tests.servers.guardian import scratch_folder

INSTALL_S = 600.0

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="builds and installs a wheel, a minute: make lab"),
    pytest.mark.skipif(not shutil.which("pipx"), reason="missing: `pipx` (Debian: pipx)"),
]


def run(home: Path, *words: str) -> str:
    """A command that must succeed, outside the checkout; what it printed."""
    constraints = str(CHECKOUT / "constraints.txt")
    pins = {"PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints, "PIP_NO_INPUT": "1"}
    places = {"HOME": str(home), "PIPX_HOME": str(home / "pipx"), "PIPX_BIN_DIR": str(home / "bin")}
    outer = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=INSTALL_S, check=False, cwd=home, env=outer | pins | places
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home into which pipx has installed the wheel."""
    made = scratch_folder("pipx")
    run(made, sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(made / "dist"), str(CHECKOUT))
    (wheel,) = (made / "dist").iterdir()
    run(made, "pipx", "install", str(wheel))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_programs_tell_the_version_that_was_built(home: Path) -> None:
    version = next(iter((home / "dist").iterdir())).name.split("-")[1]
    for program in ("failoverctl", "failoverd"):
        assert run(home, str(home / "bin" / program), "--version") == f"{program} {version}\n"


def test_a_configuration_is_checked(home: Path) -> None:
    told = run(home, str(home / "bin" / "failoverctl"), "check-config", str(CHECKOUT / "config/examples/minimal.yaml"))
    assert "worst-case failover" in told


def test_the_units_are_in_the_wheel(home: Path) -> None:
    assert "failoverd@.service" in run(home, str(home / "bin" / "failoverctl"), "install", "--dry-run")


def test_the_demo_runs_and_loses_no_write(home: Path) -> None:
    assert "0 of them were lost" in run(home, str(home / "bin" / "failoverctl"), "demo", "--once")
