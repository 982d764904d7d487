"""may-start, the gate in the service's own unit (S3)."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from failover.cli.may_start import ask
from failover.core.values import Role
from tests.api.fakes import InMemoryController, ServedController, active_snapshot, standby_snapshot
from tests.cli.conftest import Run, run_command


def test_the_promoting_and_the_active_controller_let_the_service_start(
    ctl: Run, controller: InMemoryController
) -> None:
    for role in (Role.PROMOTING, Role.ACTIVE):
        controller.shown = active_snapshot(role=role)
        ran = ctl("may-start")
        assert ran.code == 0
        assert ran.out.startswith("yes: ")


def test_every_other_controller_does_not(ctl: Run, controller: InMemoryController) -> None:
    """S3: nothing else may start the service as active."""
    controller.shown = standby_snapshot()
    ran = ctl("may-start", "--json")
    assert ran.code == 1
    assert ran.told["ok"] is False
    assert "standby" in ran.told["why"]
    controller.shown = standby_snapshot(standby_stopped=False)
    assert ctl("may-start").code == 0


def test_a_stale_controller_does_not(ctl: Run, controller: InMemoryController) -> None:
    """S11."""
    controller.now = 1010.0
    assert ctl("may-start").code == 1


def test_with_no_controller_the_answer_is_no(tmp_path: Path) -> None:
    ran = run_command("may-start", "orders-db", "--state-dir", tmp_path)
    assert ran.code == 1
    assert "no controller answers" in ran.out
    assert run_command("may-start").code == 1  # no configuration file either


def test_naming_the_service_saves_reading_the_file(served: ServedController, tmp_path: Path) -> None:
    assert run_command("may-start", "orders-db", "--state-dir", tmp_path).code == 0
    assert run_command("may-start", "billing-db", "--state-dir", tmp_path).code == 1


def test_wrong_usage_is_exit_2() -> None:
    assert run_command("may-start", "--nothing").code == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b"HTTP/1.1 503 No\r\n\r\n{}",
        b'HTTP/1.1 503 No\r\n\r\n{"ok": true}',
        b"\xff" * 100,
        b"200",
        b"HTTP/1.1 20 OK\r\n\r\n{}",
    ],
)
def test_an_answer_that_is_not_a_clear_yes_is_a_no(answer: bytes, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        ok, why = ask(path)
        server.join()
    assert not ok
    assert isinstance(why, str)


def test_it_loads_next_to_nothing_because_it_lies_in_the_way_of_every_promote(
    served: ServedController, tmp_path: Path
) -> None:
    program = (
        "import sys\nfrom failover.cli.__main__ import main\n"
        f"sys.argv = ['failoverctl', 'may-start', 'orders-db', '--state-dir', {str(tmp_path)!r}]\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    print('LOADED', ended.code, *sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    code, *loaded = ran.stdout.rpartition("LOADED")[2].split()
    assert code == "0", ran.stderr
    assert not {"typer", "rich", "httpx", "pydantic", "ruamel.yaml", "fastapi"} & set(loaded)
