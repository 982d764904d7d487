"""The root of a Debian that nobody has touched: systemd, and what one package depends on. Made once, kept in a cache.

From where Debian's packages come is this machine's own affair: its sources are handed on, and looked at no further.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "failoverd-tests"
MAKE_S = 900.0
# What any installed Debian has: an init system, a message bus, a network.
_HOST = ("systemd", "systemd-sysv", "dbus", "iproute2")
_APT = Path("/etc/apt")
_MADE_ANEW_WHEN_CHANGED = "1"


class CannotBeMade(Exception):
    """The root could not be made; the message is the tool's own."""


def missing() -> list[str]:
    """What making a root needs and this machine has not, in words."""
    gone = [] if shutil.which("mmdebstrap") else ["`mmdebstrap` (Debian: mmdebstrap)"]
    return gone if _sources() else [*gone, f"Debian's sources in {_APT}"]


def clean_root(depends: str) -> Path:
    """The root with the packages of a `Depends:` line. Raises CannotBeMade."""
    packages = (*_HOST, *_names(depends))
    told = "\n".join((_MADE_ANEW_WHEN_CHANGED, _suite(), *packages, _sources()))
    root = CACHE / f"debian-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    if not root.exists():
        _make(root, packages)
    return root


def _make(root: Path, packages: tuple[str, ...]) -> None:
    """Under another name first: what is there under its own name is whole."""
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = root.with_name(f"{root.name}-{secrets.token_hex(4)}")
    words = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory", f"--include={','.join(packages)}"]
    try:
        done = subprocess.run(
            [*words, _suite(), str(unfinished), "-"],
            input=_sources(),
            capture_output=True,
            text=True,
            timeout=MAKE_S,
            check=False,
        )
        if done.returncode:
            raise CannotBeMade(done.stderr[-2000:])
        (unfinished / "etc" / "apt" / "sources.list").unlink(missing_ok=True)
        unfinished.rename(root)
    except subprocess.TimeoutExpired:
        raise CannotBeMade(f"mmdebstrap did not end in {MAKE_S:.0f} s") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _names(depends: str) -> list[str]:
    """The packages of `python3 (>= 3.11), dbus | other`: of alternatives the first."""
    return sorted({part.split("|")[0].split("(")[0].strip() for part in depends.split(",") if part.strip()})


def _sources() -> str:
    """Debian's own sources, in the one form or the other."""
    files = [_APT / "sources.list.d" / "debian.sources", _APT / "sources.list"]
    return next((file.read_text("utf-8") for file in files if file.exists()), "")


def _suite() -> str:
    told = Path("/etc/os-release").read_text("utf-8")
    return next(line.partition("=")[2] for line in told.splitlines() if line.startswith("VERSION_CODENAME="))
