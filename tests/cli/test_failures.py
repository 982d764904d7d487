"""Whatever goes wrong is one clear line with what to do next, and a documented exit code."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

import failover.cli.exit_codes as codes
from config.models.api import LISTEN
from config.models.root import Config
from failover.cli import whereabouts
from tests.api.fakes import InMemoryController, ServedController
from tests.cli.conftest import Ran, Run, run_command, write_config
from tests.servers.ports import free_port

COMMANDS = (
    *("status", "why", "history", "switchover", "failover", "pause", "resume", "drain", "undrain"),
    *("check-config", "schema"),
)


def one_line(ran: Ran) -> str:
    (line,) = ran.err.splitlines()
    assert line.startswith("failoverctl: ")
    return line


def test_no_controller_is_exit_11_with_what_was_tried(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path, tmp_path, f"127.0.0.1:{port}")
    for command in (("status",), ("why",), ("history",), ("pause", "--reason", "x"), ("drain", "db1")):
        ran = run_command(*command, "--config", config)
        assert ran.code == 11
        line = one_line(ran)
        assert str(port) in line
        assert "api.sock" in line
        assert "systemctl status" in line
    assert run_command("status", "--config", config, "--json").told["exit"] == "controller_unreachable"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "nowhere.invalid:80", "http://[::zz]", "ftp://x", "http://", ":"]
)
def test_an_address_that_leads_nowhere_is_exit_11(url: str) -> None:
    assert run_command("status", "--url", url).code == 11


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1, 2, 3]",
    ],
)
def test_somebody_else_at_the_address_is_exit_11(answer: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        command = [sys.executable, "-m", "failover.cli", "status", "--url", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as asking:
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
            _, told = asking.communicate(timeout=30)
    assert asking.returncode == 11
    assert "Traceback" not in told


def test_a_config_file_that_cannot_be_read_is_exit_10(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    (tmp_path / "list.yaml").write_text("- 1", encoding="utf-8")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("bad", "list", "binary", "missing"):
        ran = run_command("status", "--config", tmp_path / f"{name}.yaml")
        assert ran.code == 10
        assert name in one_line(ran)


def test_with_no_or_several_files_one_must_be_named(tmp_path: Path) -> None:
    from failover.cli.failures import CommandFailed

    with pytest.raises(CommandFailed, match="no configuration file"):
        whereabouts.config_file(None, tmp_path)
    (tmp_path / "a.yaml").touch()
    assert whereabouts.config_file(None, tmp_path) == tmp_path / "a.yaml"
    (tmp_path / "b.yaml").touch()
    with pytest.raises(CommandFailed, match=r"a\.yaml, b\.yaml") as told:
        whereabouts.config_file(None, tmp_path)
    assert told.value.code == codes.ExitCode.REFUSED
    assert "--config" in told.value.next_step


def test_the_file_is_read_as_config_would_read_it() -> None:
    """Only two keys are read here, so that `status` answers while the file is being edited."""
    assert str(Config.model_fields["state_dir"].default) == whereabouts.STATE_DIR
    assert whereabouts.LISTEN == LISTEN


@pytest.mark.parametrize(("listen", "host"), [("0.0.0.0:83", "127.0.0.1:83"), ("[::]:83", "[::1]:83")])
def test_a_wildcard_is_asked_at_the_loopback(listen: str, host: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, tmp_path, listen)
    assert whereabouts.find(config, None, None).url == f"http://{host}"


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("status", "--nothing"), ("drain",), ("history", "-n", "0"), ("failover", "--force")]
)
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...]) -> None:
    assert run_command(*arguments).code == 2


def test_help_names_every_command_and_every_exit_code() -> None:
    ran = run_command("--help")
    assert ran.code == 0
    words = " ".join(ran.out.split())
    for command in [
        "status",
        "why",
        "history",
        "switchover",
        "failover",
        "pause",
        "resume",
        "drain",
        "undrain",
        "check-config",
        "schema",
    ]:
        assert command in words
    for command in ("format", "demo", "may-start"):
        assert command in words
    for code in codes.ExitCode:
        assert f"{code} {code.name.lower().replace('_', ' ')}" in words


def test_every_command_has_help_and_json() -> None:
    for command in [
        "status",
        "why",
        "history",
        "switchover",
        "failover",
        "pause",
        "resume",
        "drain",
        "undrain",
        "check-config",
        "schema",
        "format",
    ]:
        ran = run_command(command, "--help")
        assert ran.code == 0
        assert "--json" in ran.out
    assert "--json" in run_command("may-start", "--help").out


def test_the_meanings_of_zkfcs_exit_codes_are_kept() -> None:
    names = ["OK", "FAILED", "REFUSED", "NOT_FORMATTED", "NO_FENCING", "NO_AUTOMATIC_FAILOVER", "STORE_UNREACHABLE"]
    assert [codes.ExitCode(number).name for number in range(7)] == names


def test_a_fault_of_the_controller_is_exit_1(ctl: Run, controller: InMemoryController) -> None:
    controller.fault = ZeroDivisionError("secret")
    ran = ctl("status")
    assert ran.code == 1
    assert "fault in failoverd itself" in one_line(ran)


def test_a_reader_that_goes_away_is_no_failure(ctl: Run, controller: InMemoryController, config: Path) -> None:
    controller.lines = [{"at": str(number), "why": "x" * 100} for number in range(1000)]
    command = f"{sys.executable} -m failover.cli history -n 1000 --config {config} | head -1"
    ended = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.returncode == 0


def test_simple_commands_load_nothing_that_they_do_not_need(served: ServedController) -> None:
    """What makes a command slow to start is what it imports: a fact, where seconds would be luck."""
    program = (
        "import sys\nfrom failover.cli.__main__ import main\n"
        f"sys.argv = ['failoverctl', 'status', '--json', '--url', {served.url!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    print('LOADED', *sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    loaded = set(ran.stdout.rpartition("LOADED")[2].split())
    assert "httpx" in loaded, ran.stderr
    assert not loaded & {"fastapi", "uvicorn", "kazoo", "psutil", "ruamel.yaml", "failover.core.step"}
