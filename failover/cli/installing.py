"""What `failoverctl install` puts in place and `uninstall` takes away: units and folders. Each step can be told first.

Idempotent: what is as it should be is left alone. Configuration and state are never overwritten and never removed.
Knows nothing of what the configuration says.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed

UNITS = ("failoverd@.service", "failoverd-last-will@.service")
UNIT_FOLDER = Path("etc/systemd/system")
PACKAGES_UNITS = Path("lib/systemd/system")
CONFIG_FOLDER = Path("etc/failoverd")
SHIPPED_BIN = "/usr/local/bin"
SYSTEMCTL_S = 120.0
_PACKAGED = Path(__file__).resolve().parents[1] / "installed"  # in a wheel
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `done`: it is so already."""

    words: str
    done: bool
    path: Path | None = None
    content: str | None = None
    mode: int = 0o644
    command: tuple[str, ...] = ()
    remove: bool = False


def steps_to_install(
    service: str | None, root: Path, binaries: Path, strict: Sequence[str] | None = None
) -> list[Step]:
    """Everything that `install` makes sure of, in order. `strict`: without root, and which units polkit lets it steer.

    Raises CommandFailed if the shipped files are not there.
    """
    steps = [folder_step(root / CONFIG_FOLDER, 0o750), *(_unit(name, root, binaries) for name in UNITS)]
    if service is not None:
        path = root / CONFIG_FOLDER / f"{service}.yaml"
        text = shipped("examples", "minimal.yaml").replace("service: orders\n", f"service: {service}\n")
        steps.append(Step(f"{path}: an example to edit, mode 0640", path.exists(), path, text, 0o640))
    if strict is not None:
        from failover.cli.installing_strict import strict_steps

        steps += strict_steps(service, strict, root)
    if on_this_host(root):
        changed = any(not step.done and _is_of_systemd(step, root) for step in steps)
        steps.append(Step("systemctl daemon-reload", not changed, command=("systemctl", "daemon-reload")))
    return steps


def steps_to_uninstall(root: Path) -> list[Step]:
    """Everything that `uninstall` takes away, in order: controllers hand over first."""
    from failover.cli.installing_strict import strict_files

    steps = []
    if on_this_host(root):
        for unit in _instances():
            words = f"systemctl disable --now {unit} (an active hands over)"
            steps.append(Step(words, False, command=("systemctl", "disable", "--now", unit)))
    for path in (*(root / UNIT_FOLDER / name for name in UNITS), *strict_files(root)):
        steps.append(Step(f"{path}: removed", not path.exists(), path, remove=True))
    if on_this_host(root):
        steps.append(Step("systemctl daemon-reload", False, command=("systemctl", "daemon-reload")))
    return steps


def carry_out(step: Step) -> None:
    """Do one step that is not done. Raises CommandFailed, with what to do."""
    try:
        if step.command:
            _run(step.command)
        elif step.remove and step.path is not None:
            _remove(step.path)
        elif step.path is not None and step.content is None:
            step.path.mkdir(mode=step.mode, parents=True, exist_ok=True)
        elif step.path is not None and step.content is not None:
            _write(step.path, step.content, step.mode)
    except OSError as error:
        where = error.filename or step.path or " ".join(step.command)
        again = "run it as root; what was done already is left alone the next time"
        raise CommandFailed(f"{where}: {error.strerror}", again, ExitCode.FAILED) from None


def next_steps(service: str | None, owner: str = "") -> list[str]:
    """What only a person can do. `owner`: of secrets, where that is not root."""
    name = service or "NAME"
    file = f"/{CONFIG_FOLDER}/{name}.yaml"
    owned = f", owner {owner}" if owner else ""
    return [
        f"edit {file}; secrets it refers to: mode 0600{owned}, the same on every node",
        f"failoverctl check-config {file}",
        f"once, on one node: failoverctl format {file}",
        f"systemctl enable --now failoverd@{name}",
    ]


def binaries_of_this() -> Path:
    """Where the `failoverd` that belongs to this very program lies."""
    beside = Path(sys.argv[0]).resolve().parent
    return beside if (beside / "failoverd").exists() else Path(sys.executable).parent


def folder_step(path: Path, mode: int) -> Step:
    return Step(f"{path}: a folder, mode {mode:04o}", path.is_dir(), path, None, mode)


def file_step(path: Path, text: str, mode: int) -> Step:
    same = path.is_file() and path.read_text("utf-8", "replace") == text and path.stat().st_mode & 0o777 == mode
    word = "written anew" if path.exists() and not same else "written"
    return Step(f"{path}: {word}, mode {mode:04o}", same, path, text, mode)


def _unit(name: str, root: Path, binaries: Path) -> Step:
    path = root / UNIT_FOLDER / name
    if (root / PACKAGES_UNITS / name).exists() and not path.exists():
        return Step(f"{name}: the package's own", True)  # a copy would outlive the version that it names
    return file_step(path, shipped("systemd", name).replace(f"{SHIPPED_BIN}/", f"{binaries}/"), 0o644)


def _is_of_systemd(step: Step, root: Path) -> bool:
    return step.path is not None and step.path.is_relative_to(root / UNIT_FOLDER)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent.name.endswith(".service.d"):
        with contextlib.suppress(OSError):  # an operator's drop-in is in it
            path.parent.rmdir()


def _write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.chmod(mode)
    new.replace(path)


def _run(command: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False)
    except subprocess.TimeoutExpired:
        raise CommandFailed(
            f"{' '.join(command)} has not ended in {SYSTEMCTL_S:g} s", "systemctl list-jobs", ExitCode.FAILED
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())[:300]
        raise CommandFailed(f"{' '.join(command)}: {said}", "journalctl -xe", ExitCode.FAILED)


def shipped(folder: str, name: str) -> str:
    places = (_PACKAGED / folder / name, *(_CHECKOUT / each / name for each in _IN_CHECKOUT[folder]))
    for place in places:
        if place.is_file():
            return place.read_text("utf-8")
    raise CommandFailed(f"{name} did not come with this installation", "install the whole package", ExitCode.FAILED)


_IN_CHECKOUT = {"systemd": ("systemd",), "examples": ("config/examples",)}


def on_this_host(root: Path) -> bool:
    """Whether it is done to the host that runs here, by its systemd."""
    return root == Path("/") and Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def _instances() -> Iterator[str]:
    listed = subprocess.run(
        ("systemctl", "list-units", "--all", "--plain", "--no-legend", "failoverd@*.service"),
        capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False,
    )  # fmt: skip
    for line in listed.stdout.splitlines():
        if line.split():
            yield line.split()[0]
