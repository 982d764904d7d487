"""Files that cannot be read, and text that is no YAML: one line each, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import ConfigError, load
from tests.config.conftest import GOOD, Files


def _only_error(path: str | Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_a_missing_file_says_so() -> None:
    assert _only_error("/no/such.yaml") == (
        "/no/such.yaml:1:1: cannot read the file: No such file or directory; check the path"
    )


def test_a_folder_and_a_pipe_are_no_configuration(tmp_path: Path) -> None:
    assert "not a regular file" in _only_error(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in _only_error(tmp_path / "pipe")


def test_a_path_with_a_nul_character_is_refused() -> None:
    assert "cannot read the file" in _only_error("a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    path.chmod(0)
    assert "Permission denied" in _only_error(path)


def test_a_byte_that_is_not_utf_8_is_shown_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"service: a\nnode: \xff\n")
    assert _only_error(path) == f"{path}:2:7: not UTF-8 text (byte 0xff); save the file as UTF-8"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    assert _only_error(path) == f"{path}:1:1: the file is larger than 1024 KiB"


def test_a_byte_order_mark_does_no_harm(files: Files) -> None:
    assert files.load("\ufeff" + GOOD).service == "orders"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1:1: the file is empty; start with: service: NAME"),
        ("# nothing\n", "1:1: the file is empty; start with: service: NAME"),
        ("- a\n", "1:1: expected keys and values; start with: service: NAME"),
        ("a: b: c\n", "1:5: not valid YAML: mapping values are not allowed here"),
        ("a: [1, 2\nb: 3\n", "2:2: not valid YAML: expected ',' or ']', but got ':'"),
        ("a: *b\n", "1:4: not valid YAML: found undefined alias 'b'"),
        ("a: 1\n---\nb: 2\n", "2:1: not valid YAML: but found another document"),
        ("a: \x01\n", "1:4: a character that YAML forbids"),
        ("? [a]\n: b\n", "1:3: a key must be plain text; quote it"),
        ("%YAML 3.0\n---\na: 1\n", "1:1: not valid YAML: found incompatible YAML document (version 1.* is required)"),
        ("a: " + "[" * 30 + "]" * 30, "1:24: nested too deep; aliases count each time"),
        ("[" * 5000, "1:1: nested too deep"),
    ],
)
def test_text_that_is_no_yaml_is_one_line(text: str, line: str, files: Files) -> None:
    assert files.errors(text) == [line]


def test_aliases_cannot_make_a_small_file_huge(files: Files) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{key}: &{key} [{', '.join(['*' + above] * 10)}]" for above, key in zip("abcde", "bcdef", strict=True)]
    (line,) = files.errors("\n".join(lines))
    assert line.endswith("too many values; aliases count each time")
    (line,) = files.errors("a: &a [*a]")
    assert "nested too deep" in line or "undefined alias" in line


def test_aliases_work_otherwise(files: Files) -> None:
    text = GOOD.replace("promote: {run: /bin/sh}", "promote: {run: &shell /bin/sh}")
    text = text.replace("role: {run: /bin/sh}", "role: {run: *shell}")
    assert files.load(text).control.promote.run == ("/bin/sh",)


def test_a_key_without_a_value_is_said_once(files: Files) -> None:
    assert files.errors(GOOD + "api:\n") == ["19:1: api: has no value; write one, or remove the key"]
    lines = files.errors(GOOD.replace("hosts: [zk1:2181]", "hosts:"))
    assert lines == ["5:3: store.hosts: has no value; write one, or remove the key"]


def test_a_tag_means_nothing(files: Files) -> None:
    (line,) = files.errors(GOOD.replace("service: orders", "service: !vault orders"))
    assert line == '1:10: service: the tag "!vault" means nothing here'


def test_words_like_yes_and_off_stay_words(files: Files) -> None:
    (line,) = files.errors(GOOD + "candidate: yes\n")
    assert line == '19:12: candidate: expected true or false, found the text "yes"; without quotes'
    assert files.load(GOOD.replace("service: orders", "service: off")).service == "off"


def test_the_yaml_reader_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, config; sys.exit('ruamel.yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
