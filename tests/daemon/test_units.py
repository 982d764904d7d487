"""The shipped units: systemd finds nothing wrong with them, and they stay as exposed as they are, or less."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
CEILING = 6.7
"""Of `systemd-analyze security`: 0 is a locked box, 10 is bare. Hooks run with the unit's limits, hence so much."""

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze (Debian: systemd)")


def instance(unit: Path, folder: Path) -> Path:
    """The unit with a name in it, and programs that are on this machine."""
    text = re.sub(r"/usr/local/bin/failover(d|ctl)", "/bin/true", unit.read_text("utf-8"))
    made = folder / unit.name.replace("@", "@orders-db")
    made.write_text(text, "utf-8")
    return made


def told(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    made = [instance(unit, tmp_path) for unit in UNITS]
    assert told("verify", *map(str, made)) == ""


def test_the_controllers_exposure_stays_below_its_ceiling(tmp_path: Path) -> None:
    said = told("security", "--offline=true", str(instance(ROOT / "systemd" / "failoverd@.service", tmp_path)))
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    assert found, said
    print(found[0])
    assert float(found[1]) <= CEILING
