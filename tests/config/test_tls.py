"""`store.tls`: what is wrong with its files is told, with its place, before a connection is wanted."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from config import Config, load
from config.tls_files import validities
from tests.config.conftest import GOOD, Files
from tests.servers.authority import Authority, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason="no openssl")

Told = Callable[[str], list[str]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def told(files: Files, authority: Authority) -> Told:
    """What is said of a store with such a `tls` section; CA, CERT and KEY stand for files that are right."""
    cert, key = authority.issue("db1")

    def ask(tls: str) -> list[str]:
        for word, path in {"CA": authority.path, "CERT": cert, "KEY": key, "FOLDER": authority.folder}.items():
            tls = tls.replace(word, str(path))
        text = GOOD.replace("  hosts: [zk1:2181]\n", f"  hosts: [zk1:2281]\n  tls: {{{tls}}}\n")
        said = [*files.errors(text), *files.warnings(text)]
        return [line.partition(": store.")[2].replace(f"{authority.folder}/", "") for line in said]

    return ask


def test_a_ca_alone_or_with_a_certificate_and_its_key_is_enough(told: Told) -> None:
    assert told("ca: CA") == []
    assert told("ca: CA, cert: CERT, key: KEY") == []


def test_each_mistake_has_its_place(files: Files) -> None:
    text = GOOD.replace("  hosts: [zk1:2181]\n", "  hosts: [zk1:2281]\n  tls:\n    ca: /nonexistent/ca.pem\n")
    assert files.errors(text)[0].startswith("7:9: store.tls.ca: /nonexistent/ca.pem does not exist")


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ("cert: CERT, key: KEY", "tls.ca: is required; add the key"),
        ("ca: CA, cert: CERT", "tls: cert and key go together; write both, or none where the servers ask for none"),
        (
            "ca: CA, key_password: {env: PATH}",
            "tls: key_password without key; write cert and key, too, or remove it",
        ),
        ("ca: CA, cert: FOLDER/gone, key: KEY", "tls.cert: gone does not exist; write there our certificate (PEM)"),
        ("ca: KEY", "tls.ca: db1.key holds no certificate that can be read; "),
        ("ca: CA, cert: KEY, key: KEY", "tls.cert: db1.key holds no certificate that can be read; "),
        ("ca: CA, cert: CERT, key: CA", "tls.key: ca.pem is not a private key; "),
        ("ca: FOLDER, cert: CERT, key: KEY", "tls.ca: "),
    ],
)
def test_what_is_missing_or_something_else_is_named(told: Told, tls: str, said: str, authority: Authority) -> None:
    authority.path.chmod(0o600)
    assert told(tls)[0].startswith(said)


def test_a_certificate_and_a_ca_that_have_expired(told: Told, authority: Authority) -> None:
    authority.issue("old", days=-1)
    (said,) = told("ca: CA, cert: FOLDER/old.pem, key: FOLDER/old.key")
    assert said.startswith("tls.cert: old.pem has expired, on 20")
    assert said.endswith(" UTC; renew it")
    assert told("ca: FOLDER/old.pem")[0].startswith("tls.ca: old.pem has expired, on 20")


def test_a_key_that_others_may_read_and_a_ca_that_others_may_write(told: Told, authority: Authority) -> None:
    (authority.folder / "db1.key").chmod(0o640)
    authority.path.chmod(0o666)
    assert told("ca: CA, cert: CERT, key: KEY") == [
        "tls.ca: ca.pem may be changed by other users (mode 0666): they could add a CA of their own; chmod 644 ca.pem",
        "tls.key: db1.key is open to other users (mode 0640); chmod 600 db1.key",
    ]


def test_a_key_of_another_certificate(told: Told, authority: Authority) -> None:
    authority.issue("other")
    (said,) = told("ca: CA, cert: CERT, key: FOLDER/other.key")
    assert said == "tls.key: other.key is not the key of db1.pem; name the pair that was made together"


def test_a_key_with_a_password(told: Told, authority: Authority) -> None:
    locked, password = authority.folder / "locked.key", authority.folder / "password"
    words = ["openssl", "pkcs8", "-topk8", "-in", str(authority.folder / "db1.key"), "-out", str(locked)]
    subprocess.run([*words, "-passout", "pass:right"], check=True, capture_output=True, timeout=30)
    locked.chmod(0o600)
    pair = "ca: CA, cert: CERT, key: FOLDER/locked.key"
    assert told(pair)[0].startswith("tls.key: locked.key is encrypted; add key_password")
    for text, said in {
        "right": [],
        "wrong": ["tls.key: locked.key does not open with key_password; correct the password"],
    }.items():
        password.write_text(text)
        password.chmod(0o600)
        assert told(f"{pair}, key_password: {{file: FOLDER/password}}") == said


def test_files_are_not_looked_at_where_nothing_may_be_read(files: Files) -> None:
    text = GOOD.replace("  hosts: [zk1:2181]\n", "  hosts: [zk1:2281]\n  tls: {ca: /nonexistent}\n")
    assert isinstance(load(files.write(text), read_secrets=False), Config)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_this_user_may_not_see_is_a_warning(told: Told, authority: Authority) -> None:
    authority.path.chmod(0)
    assert "run this as the controller's user (root)" in told("ca: CA")[0]


def test_the_dates_of_a_certificate_are_those_that_openssl_tells(authority: Authority) -> None:
    for days in ("1", "30000"):  # the latter one is told with four digits of the year
        path = authority.folder / f"of{days}.pem"
        words = ["openssl", "req", "-x509", "-key", str(authority.folder / "ca.key"), "-subj", "/CN=x", "-days", days]
        subprocess.run([*words, "-out", str(path)], check=True, capture_output=True, timeout=30)
        words = ["openssl", "x509", "-in", str(path), "-noout", "-enddate", "-dateopt", "iso_8601"]
        told = subprocess.run(words, check=True, capture_output=True, timeout=30, text=True).stdout
        ((_, end),) = validities(path.read_bytes())
        assert told.strip() == f"notAfter={end:%Y-%m-%d %H:%M:%S}Z"


def test_what_is_no_certificate_has_no_dates() -> None:
    for text in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", b"-----BEGIN CERTIFICATE-----"):
        assert list(validities(text)) == []


# --- the API's ----------------------------------------------------------------------------------


def told_of_api(files: Files, tls: str, advertise: str = "127.0.0.1:8300") -> list[str]:
    text = f"{GOOD}api: {{listen: 127.0.0.1:8300, advertise: '{advertise}', tls: {{{tls}}}}}\n"
    return [line.partition(": api.tls")[2] for line in [*files.errors(text), *files.warnings(text)]]


def test_an_api_that_peers_would_believe(files: Files, authority: Authority) -> None:
    cert, key = authority.issue("db1", "DNS:db1.example,IP:127.0.0.1")
    pair = f"cert: {cert}, key: {key}, ca: {authority.path}"
    assert told_of_api(files, pair) == []
    assert told_of_api(files, pair, "db1.example:8300") == []
    assert told_of_api(files, f"{pair}, client_ca: {authority.path}, clients: {{dora: operate}}") == []


def test_an_api_that_peers_would_not_believe(files: Files, authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("db1", "DNS:db1.example")
    pair = f"cert: {cert}, key: {key}"
    (said,) = told_of_api(files, f"{pair}, ca: {authority.path}")
    assert said.startswith(".cert: peers would not believe it at 127.0.0.1 (api.advertise): IP address mismatch")
    (said,) = told_of_api(files, f"{pair}, ca: {Authority(tmp_path / 'other').path}", "db1.example:8300")
    assert "unable to get local issuer certificate" in said


def test_an_expired_certificate_of_the_api_keeps_no_controller_from_starting(
    files: Files, authority: Authority
) -> None:
    cert, key = authority.issue("old", days=-1)
    text = f"{GOOD}api: {{tls: {{cert: {cert}, key: {key}, ca: {authority.path}}}}}\n"
    assert files.errors(text) == []
    assert "api.tls.cert: " in files.warnings(text)[0]
    assert "has expired" in files.warnings(text)[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("client_ca: /nonexistent", ": client_ca and clients go together"),
        ("clients: {dora: operate}", ": client_ca and clients go together"),
        ("client_ca: /nonexistent, clients: {dora: root}", ".clients.dora: "),
        ("client_ca: /nonexistent, clients: {dora: read}", ".client_ca: /nonexistent does not exist"),
    ],
)
def test_client_certificates_need_a_ca_and_roles(files: Files, authority: Authority, more: str, said: str) -> None:
    cert, key = authority.issue("db1")
    assert told_of_api(files, f"cert: {cert}, key: {key}, ca: {authority.path}, {more}")[0].startswith(said)
