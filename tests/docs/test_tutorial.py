"""The tutorial is followed from its first command to its last, as it is written, with a folder and ports of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.servers import redis as redis_server
from tests.servers import zookeeper as zookeeper_server
from tests.servers.guardian import scratch_folder
from tests.servers.ports import free_port

TUTORIAL = ROOT / "docs" / "tutorial.md"
FOLDER = "/tmp/failover-tutorial"
PORTS = ("7181", "7001", "7002", "8301", "8302")
ZOOKEEPER_SCRIPT = Path("/usr/share/zookeeper/bin/zkServer.sh")
LONGEST_S = 400.0
SAID = (
    ": good",
    'unknown key; did you mean "promote"?',
    "/failover/cache is formatted",
    "hello",
    "promoted under epoch [0-9]+: n1 stepped down cleanly",
    "switchover done: n1 is active",
    "n2 is not active.",
    "PAUSED: automatic moves are off: reading the logs in peace",
    "After resuming: n1 is active with an ill service",
    "n2 was fenced by",
    "n2 has no Redis any more",
)

pytestmark = [pytest.mark.zookeeper, pytest.mark.redis]


@pytest.fixture
def folder() -> Iterator[Path]:
    missing = zookeeper_server.missing() + redis_server.missing()
    missing += [] if ZOOKEEPER_SCRIPT.exists() else [str(ZOOKEEPER_SCRIPT)]
    if missing:
        pytest.skip(f"the tutorial needs {', '.join(missing)}")
    made = scratch_folder("tutorial")
    yield made
    shutil.rmtree(made, ignore_errors=True)


def commands(folder: Path) -> str:
    """Every `sh` block but the two that install; ports and folder are this test's own."""
    written = [block.text for block in blocks(TUTORIAL) if block.language == "sh"]
    script = "\n".join(text for text in written if "apt-get install" not in text and "pip install" not in text)
    script = script.replace(FOLDER, str(folder / "t"))
    for port in PORTS:
        script = re.sub(rf"\b{port}\b", str(free_port()), script)
    return script


def programs(folder: Path) -> Path:
    """`failoverd` and `failoverctl` of this checkout, as an installation would put them on the PATH."""
    place = folder / "bin"
    place.mkdir()
    for name, module in {"failoverd": "failover.daemon", "failoverctl": "failover.cli"}.items():
        program = place / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)
    return place


def test_the_tutorial_does_what_it_says(folder: Path) -> None:
    path = f"{programs(folder)}:{os.environ['PATH']}"
    followed = subprocess.run(
        ["bash", "-c", commands(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder)},
    )
    missed = [words for words in SAID if not re.search(words, followed.stdout)]
    assert not missed, f"not seen: {missed}\n{followed.stdout}"
    assert followed.returncode == 0, followed.stdout
    assert "Traceback" not in followed.stdout
    assert not (folder / "t").exists(), "it cleans up behind itself"
