"""The shipped units: systemd finds nothing wrong with them, and they stay as exposed as they are, or less.

Their exposure is told at the end of every run: see `record_property("figure", …)` in tests/conftest.py.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "systemd"
UNITS = ("failoverd", "failoverd-last-will")
CEILINGS = {"as root": 6.7, "strict": 2.2}
"""Of `systemd-analyze security`: 0 is a locked box, 10 is bare. Hooks run with the unit's limits, hence so much."""
WITH_SUDO = 6.8

systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze (Debian: systemd)")


def instance(unit: str, folder: Path, *drop_ins: Path) -> Path:
    """The unit with a name in it, programs that are on this machine, and its drop-ins."""
    text = (SHIPPED / f"{unit}@.service").read_text("utf-8")
    (folder / f"{unit}@.service").write_text(re.sub(r"/usr/local/bin/failover(d|ctl)", "/bin/true", text), "utf-8")
    (folder / f"{unit}@orders-db.service").symlink_to(f"{unit}@.service")
    for drop_in in drop_ins:
        beside = folder / f"{unit}@.service.d"
        beside.mkdir(exist_ok=True)
        shutil.copy(drop_in, beside / drop_in.name)
    return folder / f"{unit}@orders-db.service"


def strict(unit: str) -> Path:
    return SHIPPED / f"{unit}@.service.d" / "strict.conf"


def told(folder: Path, *words: str) -> str:
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    command = ["systemd-analyze", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    return done.stdout + done.stderr


def exposure(made: Path) -> float:
    said = told(made.parent, "security", "--offline=true", str(made))
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    assert found, said
    return float(found[1])


@systemd
@pytest.mark.parametrize("drop_ins", [(), ("strict",)], ids=["as root", "strict"])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, drop_ins: tuple[str, ...]) -> None:
    made = [instance(unit, tmp_path, *(strict(unit) for _ in drop_ins)) for unit in UNITS]
    assert told(tmp_path, "verify", *map(str, made)) == ""


@systemd
@pytest.mark.parametrize("unit", UNITS)
def test_the_exposure_of_a_unit_stays_below_its_ceiling(
    tmp_path: Path, unit: str, record_property: Callable[[str, object], None]
) -> None:
    bare = exposure(instance(unit, tmp_path))
    (tmp_path / "strict").mkdir()
    locked = exposure(instance(unit, tmp_path / "strict", strict(unit)))
    record_property("figure", f"systemd-analyze security, {unit}@: {bare} as root, {locked} with strict.conf")
    assert bare <= CEILINGS["as root"]
    assert locked <= CEILINGS["strict"]


@systemd
def test_with_sudo_a_controller_without_root_is_open_again_and_systemd_finds_nothing_wrong_with_it(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    made = instance("failoverd", tmp_path, strict("failoverd"), SHIPPED / "examples" / "with-sudo.conf")
    assert told(tmp_path, "verify", str(made)) == ""
    found = exposure(made)
    record_property("figure", f"systemd-analyze security, failoverd@: {found} with strict.conf and with-sudo.conf")
    assert found <= WITH_SUDO


@pytest.mark.skipif(not shutil.which("visudo"), reason="no visudo (Debian: sudo)")
def test_visudo_finds_nothing_wrong_with_the_shipped_sudoers_lines() -> None:
    command = ["visudo", "-csf", str(SHIPPED / "sudoers.d" / "failoverd")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@systemd
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives files to another user")
def test_the_user_and_the_modes_are_made_below_another_root(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "failoverd"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "orders-db.yaml").touch(mode=0o644)
    for program, kind in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
        words = [program, f"--root={tmp_path}", *(["--create"] if kind == "tmpfiles" else [])]
        shipped = str(SHIPPED / f"{kind}.d" / "failoverd.conf")
        done = subprocess.run([*words, shipped], capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stderr.count("rror")) == (0, 0), done.stderr
    (line,) = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("failoverd:")]
    assert line.endswith(":/:/usr/sbin/nologin")
    assert (folder.stat().st_mode & 0o777, (folder / "orders-db.yaml").stat().st_mode & 0o777) == (0o750, 0o640)
    group = int(line.split(":")[3])
    assert (folder.stat().st_uid, folder.stat().st_gid) == (0, group)
