"""`kind: ssh`: what is wrong with its key and its host keys is told before a night on which they are needed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from config.ssh_files import knows
from tests.config.conftest import Files

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen (Debian: openssh-client)")

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Gd2b9bXkBzZl0i9vK5gXQf1x0pUe1oVYyq7mC2b"
Told = Callable[..., list[str]]


@pytest.fixture
def told(files: Files, good: str) -> Told:
    """What is said of a chain with such a method, without the places."""
    make_key(files.folder / "id")
    (files.folder / "known").write_text(f"10.0.0.12 {KEY}\n")

    def ask(key: str = "id", known: str = "known", more: str = "unit: x.service, ports: [5432]") -> list[str]:
        where = f"key: {files.folder}/{key}, known_hosts: {files.folder}/{known}"
        method = f"    stop: {{kind: ssh, user: f, {where}, {more}}}\n"
        said = [*files.errors(good + method), *files.warnings(good + method)]
        return [
            line.split(": ", 1)[1].replace(f"{files.folder}/", "").removeprefix("fencing.methods.") for line in said
        ]

    return ask


def make_key(path: Path, *more: str) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *more, "-f", str(path)]
    subprocess.run(words, check=True, timeout=30)


def test_a_key_and_the_peers_host_keys_are_enough(told: Told) -> None:
    assert told() == []


def test_a_key_that_others_may_read(told: Told, files: Files) -> None:
    (files.folder / "id").chmod(0o644)
    assert told() == ["stop.key: id is open to other users (mode 0644); chmod 600 id"]


@pytest.mark.parametrize("form", [(), ("-m", "PEM", "-t", "rsa"), ("-m", "PKCS8", "-t", "rsa")])
def test_a_key_with_a_passphrase(told: Told, files: Files, form: tuple[str, ...]) -> None:
    make_key(files.folder / "plain", *form)
    make_key(files.folder / "locked", *form, "-N", "secret")
    assert told(key="plain") == []
    assert told(key="locked")[0].startswith("stop.key: locked has a passphrase; nobody is there to type it")


def test_a_key_that_is_none(told: Told, files: Files) -> None:
    assert told(key="gone")[0].startswith("stop.key: gone does not exist; make one: ssh-keygen")
    (files.folder / "id.pub").chmod(0o600)
    assert told(key="id.pub") == ["stop.key: id.pub is not a private key; name the file without .pub"]
    (files.folder / "cut").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    (files.folder / "cut").chmod(0o600)
    assert told(key="cut")[0].startswith("stop.key: cut is damaged")


def test_a_peer_without_a_host_key(told: Told, files: Files) -> None:
    (files.folder / "known").write_text(f"10.0.0.11 {KEY}\n# 10.0.0.12 {KEY}\n@revoked 10.0.0.12 {KEY}\n")
    words = (
        "stop.known_hosts: no key for 10.0.0.12 (db2); get it with ssh-keyscan 10.0.0.12, and compare the fingerprint"
    )
    assert told() == [words]
    assert told(known="gone")[0].startswith("stop.known_hosts: gone does not exist")
    (files.folder / "known").chmod(0o666)
    assert told()[0].startswith("stop.known_hosts: known may be changed by other users (mode 0666)")


def test_host_keys_at_another_port_and_of_a_jump_host(told: Told) -> None:
    more = "unit: x.service, ports: [5432], port: 2222, jump: f@bastion:2200"
    assert [line.split(", and")[0] for line in told(more=more)] == [
        "stop.known_hosts: no key for 10.0.0.12 (db2); get it with ssh-keyscan -p 2222 10.0.0.12",
        "stop.known_hosts: no key for bastion (the jump host); get it with ssh-keyscan -p 2200 bastion",
    ]


def test_a_jump_host_that_is_a_node(told: Told) -> None:
    for jump in ("10.0.0.12", "db2"):
        said = told(more=f"unit: x.service, ports: [5432], jump: {jump}")
        assert any(line.startswith(f"stop.jump: {jump} is the node db2; it may be the very one") for line in said)


def test_a_host_is_known_as_ssh_knows_it(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text(
        f"a.example,10.0.0.1 {KEY}\n*.net,!b.net {KEY}\n[c.example]:2222 {KEY}\n@cert-authority *.d {KEY}\n"
    )
    before = file.read_text().splitlines()
    asked = [("a.example", 22), ("A.EXAMPLE", 22), ("10.0.0.1", 22), ("a.net", 22), ("b.net", 22), ("c.example", 22),
             ("c.example", 2222), ("x.d", 22), ("a.example", 2222)]  # fmt: skip
    assert [knows(before, *one) for one in asked] == [True, True, True, True, False, False, True, True, False]
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True, timeout=30)
    hashed = file.read_text().splitlines()
    assert any(line.startswith("|1|") for line in hashed)
    assert knows(hashed, "10.0.0.1", 22)
    assert knows(hashed, "c.example", 2222)
    assert not knows(hashed, "10.0.0.2", 22)
