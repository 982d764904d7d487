"""Commands: a path, a shell line or an argument list; and those that promise everything."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.commands import always_succeeds, argv_of, first_word, missing_program, shell_line
from tests.config.conftest import GOOD, Files


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ("/etc/failoverd/promote", ("/etc/failoverd/promote",)),
        ("  /usr/bin/redis-cli\n", ("/usr/bin/redis-cli",)),
        ("/bin/echo hello", ("/bin/sh", "-c", "/bin/echo hello")),
        ("/bin/a;/bin/b", ("/bin/sh", "-c", "/bin/a;/bin/b")),
        ("true && false", ("/bin/sh", "-c", "true && false")),
        (["systemctl", "stop", "x"], ("systemctl", "stop", "x")),
        (["sleep", 5], ("sleep", "5")),
    ],
)
def test_a_command_becomes_an_argument_vector(written: str | list[object], argv: tuple[str, ...]) -> None:
    assert argv_of(written) == argv


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "the command is empty"),
        ("  ", "the command is empty"),
        ("[]", "the command is empty"),
        ("['']", "the command is empty"),
        ("[a, [b]]", "every argument must be text"),
        ("[a, true]", "every argument must be text"),
        ("{a: b}", "expected a command"),
        ("5", "expected a command"),
        ('"a\\0b"', "the command holds a NUL character"),
    ],
)
def test_a_command_that_could_never_run_is_refused(written: str, reason: str, files: Files) -> None:
    text = written if written.strip() else f"'{written}'"
    (line,) = files.errors(GOOD.replace("promote: {run: /bin/sh}", f"promote: {{run: {text}}}"))
    assert line.startswith(f"11:18: control.promote.run: {reason}") or "11:13" in line
    assert reason in line


@pytest.mark.parametrize(
    "line",
    ["true", "/bin/true", "/usr/bin/true", ":", "exit 0", "exit", "exit 0;", "fence || true",
     "fence; exit 0", "fence || :", "fence\ntrue\n"],
)  # fmt: skip
def test_a_command_that_always_succeeds_is_found(line: str) -> None:
    assert always_succeeds(argv_of(line))


@pytest.mark.parametrize("line", ["fence", "fence && true", "exit 1", "a || exit 1; true", "set -e; a; true", "# true"])
def test_a_command_that_may_fail_is_left_alone(line: str) -> None:
    assert not always_succeeds(argv_of(line))


def test_a_list_that_always_succeeds_is_found_too() -> None:
    assert always_succeeds(("true",))
    assert always_succeeds(("sh", "-c", "exit 0"))
    assert not always_succeeds(("fence", "true"))


@given(st.text())
def test_no_line_upsets_the_reading_of_commands(line: str) -> None:
    argv = ("/bin/sh", "-c", line)
    assert shell_line(argv) == line
    assert first_word(argv)
    assert always_succeeds(argv) in {True, False}


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "hook"
    assert missing_program((str(plain),)) == f"{plain} does not exist"
    plain.write_text("")
    assert missing_program((str(plain),)) == f"{plain} is not executable"
    assert missing_program(argv_of(f"{plain} --now")) == f"{plain} is not executable"
    plain.chmod(0o755)
    assert missing_program((str(plain),)) is None
    assert missing_program((str(tmp_path),)) == f"{tmp_path} is a directory"
    assert missing_program(("no-such-program-here",)) == "no-such-program-here is not found in PATH"
    assert missing_program(argv_of("test -e /nothing || echo 'open")) is None


def test_a_missing_hook_is_a_warning_that_stays_with_the_config(files: Files) -> None:
    text = GOOD.replace("promote: {run: /bin/sh}", "promote: {run: /no/such/hook}")
    expected = "11:18: warning: control.promote.run: /no/such/hook does not exist; the hook's answer would be unknown"
    assert files.warnings(text) == [expected]
    assert [str(warning).endswith(expected) for warning in files.load(text).warnings] == [True]
