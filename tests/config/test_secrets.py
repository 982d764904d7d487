"""Secrets are references; their text is read once and shown nowhere."""

import os
from pathlib import Path

import pytest

from config import Config, ConfigError, load
from tests.config.conftest import GOOD, Files

PASSWORD = "correct horse battery staple"


def _with_secret(where: object) -> str:
    return GOOD + f"api: {{peer_secret: {where}}}\n"


def _error(files: Files, where: object) -> str:
    (line,) = files.errors(_with_secret(where))
    return line.removeprefix("19:").partition(": api.peer_secret: ")[2]


def test_a_secret_comes_from_a_file_of_ones_own(files: Files) -> None:
    config = files.load(_with_secret(f"{{file: {files.secret(PASSWORD + chr(10))}}}"))
    assert config.api.peer_secret is not None
    assert config.api.peer_secret.reveal() == PASSWORD


def test_a_secret_comes_from_the_environment(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILOVER_TEST_SECRET", PASSWORD)
    config = files.load(_with_secret("{env: FAILOVER_TEST_SECRET}"))
    assert config.api.peer_secret is not None
    assert config.api.peer_secret.reveal() == PASSWORD


def _shown(config: Config) -> str:
    return "\n".join([repr(config), str(config), str(config.model_dump()), config.model_dump_json()])


def test_a_secret_is_in_no_repr_and_no_dump(files: Files) -> None:
    path = files.secret(PASSWORD)
    shown = _shown(files.load(_with_secret(f"{{file: {path}}}")))
    assert PASSWORD not in shown
    assert f"Secret({{file: {path}}}, ******)" in shown


@pytest.mark.parametrize(
    "text",
    ["hunter2", "'{file: x}'", "[hunter2]", "{hunter2: x}", "{file: hunter2}", "{file: [hunter2]}", "{env: ''}", "{}"],
)
def test_literal_text_is_refused_whatever_its_shape(text: str, files: Files) -> None:
    assert _error(files, text).endswith("write {file: /etc/failoverd/NAME}, {credential: NAME} or {env: NAME}")


def test_literal_text_is_not_repeated_in_the_message(files: Files) -> None:
    assert "hunter2" not in _error(files, "hunter2")
    (line,) = files.errors(GOOD.replace("[zk1:2181]", "[zk1:2181]\n  auth: hunter2"))
    assert line == (
        "6:9: store.auth: expected keys and values, found text; write key: value pairs below it, or {key: value}"
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_secret_that_others_may_read_is_refused(mode: int, files: Files) -> None:
    path = files.secret(mode=mode)
    assert _error(files, f"{{file: {path}}}") == (f"{path} is open to other users (mode {mode:04o}); chmod 600 {path}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("one\ntwo\n", "has more than one line; keep only one"),
    ],
)
def test_a_secret_is_one_line(text: str, reason: str, files: Files) -> None:
    path = files.secret(text)
    assert _error(files, f"{{file: {path}}}") == f"secret {{file: {path}}} {reason}"


def test_a_secret_that_is_not_text_is_refused(files: Files) -> None:
    path = files.secret()
    path.write_bytes(b"\xff\xfe")
    assert _error(files, f"{{file: {path}}}") == f"{path} is not UTF-8 text"
    path.write_bytes(b"x" * 70_000)
    assert _error(files, f"{{file: {path}}}") == f"{path} is larger than 65536 bytes"


def test_a_missing_secret_is_an_error_with_its_path(files: Files) -> None:
    assert _error(files, "{file: /no/such}") == "cannot read /no/such: No such file or directory"
    assert _error(files, "{env: FAILOVER_NO_SUCH}") == ("environment variable FAILOVER_NO_SUCH is not set")


def test_a_folder_or_a_pipe_is_no_secret_and_does_not_hang(files: Files) -> None:
    assert _error(files, f"{{file: {files.folder}}}") == (f"{files.folder} is not a regular file")
    pipe = files.folder / "pipe"
    os.mkfifo(pipe, 0o600)
    assert _error(files, f"{{file: {pipe}}}") == f"{pipe} is not a regular file"


def test_without_reading_only_the_form_is_checked(files: Files) -> None:
    config = files.load(_with_secret("{file: /no/such}"), read_secrets=False)
    assert config.api.peer_secret is not None
    with pytest.raises(LookupError, match="read_secrets=True"):
        config.api.peer_secret.reveal()
    with pytest.raises(ConfigError):
        files.load(_with_secret("hunter2"), read_secrets=False)


def _tokens(files: Files, text: str) -> str:
    return GOOD + f"api: {{tokens: {{file: {files.secret(text)}}}}}\n"


def test_tokens_are_lines_of_name_role_token(files: Files) -> None:
    text = "# who\n\nann admin 0123456789abcdef\n  bob read fedcba9876543210\n"
    tokens = files.load(_tokens(files, text)).api.tokens
    assert tokens is not None
    assert [(token.name, token.role) for token in tokens.entries] == [("ann", "admin"), ("bob", "read")]
    assert tokens.entries[0].secret.reveal() == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(tokens)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ann admin\n", " line 1 has 2 words, not three; each line is: name role token"),
        ("# x\nann admn t0ken\n", ' line 2: the role must be read, operate or admin; did you mean "admin"?'),
        ("# nobody\n", " holds no token; each line is: name role token"),
        ("a read x\na read y\n", " holds the same name twice"),
        ("a read x\nb read x\n", " holds the same token twice"),
    ],
)
def test_a_faulty_file_of_tokens_is_refused_by_line(text: str, reason: str, files: Files) -> None:
    (line,) = files.errors(_tokens(files, text))
    assert line == f"19:7: api.tokens: {{file: {files.folder}/secret}}{reason}"


def test_a_short_token_is_warned_of_and_a_short_peers_secret_refused(files: Files) -> None:
    (line,) = files.warnings(_tokens(files, "ann admin short\n"))
    assert line == (
        '19:7: warning: api.tokens: the token of "ann" is shorter than 16 characters; make one: openssl rand -hex 32'
    )
    (line,) = files.errors(_with_secret(f"{{file: {files.secret('short')}}}"))
    assert line.startswith("19:7: api.peer_secret: shorter than 16 characters")


def test_zookeeper_takes_a_user_and_a_password(files: Files) -> None:
    path = files.secret(PASSWORD)
    auth = f"[zk1:2181]\n  auth: {{user: failover, password: {{file: {path}}}}}"
    store = files.load(GOOD.replace("[zk1:2181]", auth)).store
    assert store.kind == "zookeeper"
    assert store.auth is not None
    assert (store.auth.user, store.auth.password.reveal()) == ("failover", PASSWORD)


def test_examples_can_be_loaded_where_their_secrets_are_not(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(_with_secret("{env: FAILOVER_NO_SUCH}"))
    assert load(path, read_secrets=False).service == "orders"


def test_a_secret_comes_from_a_credential_of_systemd(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(files.folder))
    files.secret(PASSWORD + "\n", 0o400)
    config = files.load(_with_secret("{credential: secret}"))
    assert config.api.peer_secret is not None
    assert config.api.peer_secret.reveal() == PASSWORD
    assert "Secret({credential: secret}, ******)" in repr(config)


def test_a_credential_may_have_the_mask_of_an_access_list_and_no_more(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(files.folder))
    path = files.secret(PASSWORD + "\n", 0o440)
    assert files.load(_with_secret("{credential: secret}")).api.peer_secret is not None
    path.chmod(0o444)
    assert "is open to other users (mode 0444)" in _error(files, "{credential: secret}")


def test_a_credential_that_was_not_given_is_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "no credentials were given to this process" in _error(files, "{credential: peer}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(files.folder))
    path = files.folder / "peer"
    assert _error(files, "{credential: peer}") == f"cannot read {path}: No such file or directory"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", ".hidden"])
def test_a_credential_is_a_plain_name(name: str, files: Files) -> None:
    assert "is not the name of a credential" in _error(files, f"{{credential: {name}}}")
