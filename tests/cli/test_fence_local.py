"""`failoverctl fence-local` by hand, on this host: what it refuses, whom it finds, and when it gives up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.daemon.identity import IdentityError, read_machine_id
from failover.support.spawner import boot_id, start_time
from tests.servers.guardian import scratch_folder
from tests.servers.process import ServerProcess

CHECKOUT = Path(__file__).resolve().parents[2]
NONCE = "0" * 32


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder in which a controller has run, and runs no more."""
    try:
        read_machine_id()
    except IdentityError as error:
        pytest.skip(str(error))
    made = scratch_folder("fence-local")
    (made / "orders").mkdir(mode=0o700)
    (made / "orders" / "controller.lock").write_text("1\n")
    yield made
    shutil.rmtree(made, ignore_errors=True)


def ask(folder: Path, *options: str, verb: str = "fence", as_user: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Its exit code, the answer's word, and why (or what it printed)."""
    words = [
        verb, "service=orders", "unit=orders.service", "controller=failoverd@orders.service", "ports=",
        f"nonce={NONCE}", f"machine={read_machine_id()}", f"boot={boot_id()}", "epoch=7", "deadline=3",
    ]  # fmt: skip
    allowed = ["--service", "orders", "--unit", "orders.service", "--state-dir", str(folder)]
    done = subprocess.run(
        [*as_user, sys.executable, "-m", "failover.cli", "fence-local", *allowed, *options, *words],
        capture_output=True, text=True, timeout=30, check=False, cwd=CHECKOUT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    word, _, rest = done.stdout.partition(" ")
    facts = json.loads(rest.partition(" ")[2] or "{}")
    return done.returncode, word, str(facts.get("why", "")) or done.stderr


def test_a_service_is_found_by_its_pid_file_and_ended(folder: Path) -> None:
    service = ServerProcess(["sleep", "700"], folder / "log")
    service.start()
    (folder / "pid").write_text(f"{service.pid}\nmore\n")
    try:
        assert ask(folder, "--no-systemd", "--pidfile", str(folder / "pid"), verb="check")[:2] == (0, "FAILOVERD-COULD")
        assert service.running
        assert ask(folder, "--no-systemd", "--pidfile", str(folder / "pid"))[:2] == (0, "FAILOVERD-FENCED")
        assert not service.running
    finally:
        service.kill()


def test_a_process_that_is_younger_than_the_pid_file_is_a_stranger(folder: Path) -> None:
    stranger = ServerProcess(["sleep", "700"], folder / "log")
    stranger.start()
    path = folder / "pid"
    path.write_text(f"{stranger.pid}\n")
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    try:
        assert ask(folder, "--no-systemd", "--pidfile", str(path))[0] == 0
        assert stranger.running
    finally:
        stranger.kill()


def test_a_pid_file_that_is_none_proves_nothing(folder: Path) -> None:
    for text in ("", "x", "-1", "1"):
        (folder / "pid").write_text(text)
        code, word, why = ask(folder, "--no-systemd", "--pidfile", str(folder / "pid"))
        assert (code, word) == (1, "FAILOVERD-NOT")
        assert "does not begin with a process id" in why


def test_hooks_that_a_dead_controller_has_left_behind_are_ended(folder: Path) -> None:
    hook = ServerProcess(["sleep", "701"], folder / "log")
    hook.start()
    assert hook.pid is not None
    (folder / "orders" / "hooks").mkdir()
    (folder / "orders" / "hooks" / "promote-1").write_text(
        f"name promote\npid {hook.pid}\nstart_time {start_time(hook.pid)}\nboot_id {boot_id()}\n"
        "controller 4194300\ncontroller_start_time 1\n"
    )
    try:
        assert ask(folder, "--no-systemd", "--pidfile", "/nonexistent")[0] == 0
        assert not hook.running
    finally:
        hook.kill()


def test_a_strike_that_comes_late_does_not_hit_a_newer_active(folder: Path) -> None:
    for epoch, role, code in ((6, "active", 0), (7, "active", 1), (8, "active", 1), (8, "standby", 0)):
        (folder / "orders" / "session.json").write_text(json.dumps({"epoch": epoch, "role": role}))
        told = ask(folder, "--no-systemd", "--pidfile", "/nonexistent")
        assert told[0] == code
        assert code == 0 or "it is stale" in told[2]
    (folder / "orders" / "floor").write_text("8\n")
    assert "here is known of epoch 8 already" in ask(folder, "--no-systemd", "--pidfile", "/nonexistent")[2]


def test_options_that_do_not_go_together_are_refused(folder: Path) -> None:
    assert "how is the service found?" in ask(folder, "--no-systemd")[2]
    assert "are for --no-systemd" in ask(folder, "--port-owner", "1")[2]


def test_without_systemd_a_unit_is_refused(folder: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs this host")
    code, word, why = ask(folder)
    assert (code, word) == (1, "FAILOVERD-NOT")
    assert "systemd does not run this host: give fence-local --no-systemd" in why


def test_who_may_end_nothing_says_so(folder: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    folder.chmod(0o755)
    (folder / "orders").chmod(0o755)
    folder.parent.chmod(0o755)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    for verb in ("check", "fence"):
        code, word, why = ask(folder, "--no-systemd", "--port-owner", "1", verb=verb, as_user=nobody)
        assert (code, word) == (1, "FAILOVERD-NOT"), why
        assert "root" in why


def test_no_request_is_exit_code_2() -> None:
    for words in ([], ["--from-ssh"], ["--from-ssh", "fence"], ["status"]):
        done = subprocess.run(
            [sys.executable, "-m", "failover.cli", "fence-local", *words],
            capture_output=True, text=True, timeout=30, check=False, cwd=CHECKOUT,
            env={name: value for name, value in os.environ.items() if name != "SSH_ORIGINAL_COMMAND"},
        )  # fmt: skip
        assert done.returncode == 2
        assert "this is no request" in done.stderr
