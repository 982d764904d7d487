"""The ZooKeeper store over TLS, on a real server that wants certificates: the contract, and every bad form."""

import logging
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from failover.core.effects import OpenSession
from failover.core.events import ConnectionLost, ConnectionRestored, Event
from failover.core.values import Member, Node
from failover.ports.store import FormatError
from failover.stores.zookeeper import ZooKeeperStore
from failover.support.tls import TlsFiles
from tests.servers.ports import LOOPBACK
from tests.servers.secure_zookeeper import SecureZooKeeper
from tests.servers.wait import eventually
from tests.stores.contract import StoreContract, WrittenContract, db1, db2, player
from tests.stores.players import Player
from tests.stores.zookeeper_world import RECORDS, SERVICE, ZooKeeperWorld

__all__ = ["db1", "db2", "player"]

MakeStore = Callable[[str, TlsFiles | None], ZooKeeperStore]


def files_of(server: SecureZooKeeper) -> TlsFiles:
    return TlsFiles(str(server.ca), str(server.cert), str(server.key))


@pytest.fixture
def world(secure_zookeeper: SecureZooKeeper, zk_root: str) -> Iterator[ZooKeeperWorld]:
    with ZooKeeperWorld(secure_zookeeper, zk_root, tls=files_of(secure_zookeeper)) as world:
        world.store(Node("operator", "x")).format()
        yield world


class TestZooKeeperByTls(WrittenContract, StoreContract):
    """The contract."""


def test_much_that_is_asked_at_once_is_answered_whole_and_in_order(db1: Player, world: ZooKeeperWorld) -> None:
    """An answer of many records of TLS: none is left in a buffer that nobody looks into."""
    entries = [{"at": str(number), "text": "x" * 500} for number in range(60)]
    for entry in entries:
        db1.store.append_history([entry])
    world.until(lambda: db1.history() == entries, "all of it is read back")


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.fixture
def store(zk_root: str) -> Iterator[MakeStore]:
    """Makes stores on a server's address."""
    made: list[ZooKeeperStore] = []

    def make(hosts: str, tls: TlsFiles | None) -> ZooKeeperStore:
        made.append(ZooKeeperStore([hosts], SERVICE, zk_root, 3.0, tls=tls))
        return made[-1]

    yield make
    for each in made:
        each.shut_down()


def trouble_of(store: ZooKeeperStore) -> str:
    """Why it does not get in: it goes on trying, and says so from the first time on."""
    answers: list[Event] = []
    store.connect(answers.append)
    store.open(OpenSession(Member(Node("db1", "m"))), answers.append)
    eventually(store.trouble, 10, "the reason is known")
    assert answers == []
    return store.trouble()


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("no certificate", "wants a certificate of ours"),
        ("a stranger's certificate", "does not accept our certificate"),
        ("an expired certificate", "does not accept our certificate"),
        ("another CA", "its certificate is not signed by the CA in ca"),
        ("no CA", "cannot be read: No such file or directory"),
        ("a CA that is none", "holds no certificate (PEM)"),
        ("another's key", "the key is another certificate's"),
    ],
)
def test_what_is_wrong_with_our_files_is_said(
    secure_zookeeper: SecureZooKeeper, store: MakeStore, tmp_path: Path, which: str, words: str
) -> None:
    server, good = secure_zookeeper, files_of(secure_zookeeper)
    stranger = server.stranger()
    strange_cert, strange_key = stranger.issue("stranger")
    old_cert, old_key = server.authority.issue("old", days=-1)
    (tmp_path / "text").write_text("no PEM")
    files = {
        "no certificate": TlsFiles(good.ca),
        "a stranger's certificate": TlsFiles(good.ca, str(strange_cert), str(strange_key)),
        "an expired certificate": TlsFiles(good.ca, str(old_cert), str(old_key)),
        "another CA": TlsFiles(str(stranger.path), good.cert, good.key),
        "no CA": TlsFiles(str(tmp_path / "gone"), good.cert, good.key),
        "a CA that is none": TlsFiles(str(tmp_path / "text"), good.cert, good.key),
        "another's key": TlsFiles(good.ca, good.cert, str(old_key)),
    }[which]
    said = trouble_of(store(server.tls_hosts, files))
    assert said.startswith(f"{server.tls_hosts} ")
    assert words in said


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        ("DNS:zk1.example,IP:127.0.0.9", 2, "its certificate is for another name"),
        ("DNS:localhost,IP:127.0.0.1", -1, "its certificate has expired"),
    ],
)
def test_what_is_wrong_with_the_servers_certificate_is_said(
    store: MakeStore, secure_zookeeper: SecureZooKeeper, names: str, days: int, words: str
) -> None:
    with SecureZooKeeper(client_auth="none", names=names, days=days) as server:
        assert words in trouble_of(store(server.tls_hosts, TlsFiles(str(server.ca))))


def test_a_server_that_asks_for_no_certificate_needs_none_of_ours(store: MakeStore) -> None:
    with SecureZooKeeper(client_auth="none") as server:
        assert "is formatted" in store(server.tls_hosts, TlsFiles(str(server.ca))).format()


def test_tls_1_3_is_spoken_where_the_server_does(zk_root: str, store: MakeStore) -> None:
    newest = {"ssl.protocol": "TLSv1.3", "ssl.ciphersuites": "TLS_AES_256_GCM_SHA384"}
    with SecureZooKeeper(settings=newest) as server, ZooKeeperWorld(server, zk_root, tls=files_of(server)) as world:
        world.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        assert db1.renew(db1.become_active()[0]).proven
        assert "wants a certificate of ours" in trouble_of(store(server.tls_hosts, TlsFiles(str(server.ca))))


def test_a_server_too_old_for_safe_tls_is_not_spoken_to(store: MakeStore) -> None:
    with SecureZooKeeper(settings={"ssl.protocol": "TLSv1.1"}) as server:
        assert server.tls_hosts in trouble_of(store(server.tls_hosts, files_of(server)))


def test_tls_at_the_port_without_it_is_said(secure_zookeeper: SecureZooKeeper, store: MakeStore) -> None:
    said = trouble_of(store(secure_zookeeper.hosts, files_of(secure_zookeeper)))
    assert "breaks off the TLS handshake" in said
    assert "is that its port for TLS?" in said


def test_no_tls_at_the_port_for_it_is_said(secure_zookeeper: SecureZooKeeper, store: MakeStore) -> None:
    said = trouble_of(store(secure_zookeeper.tls_hosts, None))
    assert "write store.tls" in said


def test_a_server_that_is_silent_in_the_handshake_is_given_up_and_tried_again(
    secure_zookeeper: SecureZooKeeper, store: MakeStore
) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        made = store(f"{LOOPBACK}:{silent.getsockname()[1]}", files_of(secure_zookeeper))
        assert "is silent in the TLS handshake" in trouble_of(made)
        silent.settimeout(10)
        for _ in range(2):
            silent.accept()[0].close()


def test_each_reason_is_logged_once_and_format_tells_it(
    secure_zookeeper: SecureZooKeeper, store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    made = store(secure_zookeeper.tls_hosts, TlsFiles(str(secure_zookeeper.ca)))
    with caplog.at_level(logging.DEBUG, "failoverd.store"), pytest.raises(FormatError, match="wants a certificate"):
        made.format()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["wants a certificate" in line.getMessage() for line in lines] == [True]
    assert not any(record.exc_info for record in caplog.records)


# --- renewed files ------------------------------------------------------------------------------


def test_renewed_files_count_from_the_next_connection_on(
    secure_zookeeper: SecureZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    """The old ones are kept for as long as the new ones cannot be used: half a renewal ends no session."""
    server, files = secure_zookeeper, files_of(secure_zookeeper)
    cert, key = (Path(shutil.copy(path, tmp_path)) for path in (files.cert, files.key))
    own = TlsFiles(files.ca, str(cert), str(key))
    with ZooKeeperWorld(server, zk_root, tls=own) as world:
        world.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        new_cert, new_key = server.authority.issue("renewed")
        shutil.copy(new_cert, cert)
        world.take_away(db1)
        world.bring_back(db1)
        shutil.copy(new_key, key)
        world.take_away(db1)
        world.bring_back(db1)
        assert (len(db1.seen(ConnectionLost)), len(db1.seen(ConnectionRestored))) == (2, 2)
        for made, path in zip(server.stranger().issue("stranger"), (cert, key), strict=True):
            shutil.copy(made, path)
        world.relay_of(db1).drop()
        eventually(lambda: "does not accept our certificate" in db1.store.trouble(), 10, "the newest are used")


def test_a_store_that_is_shut_down_while_it_shakes_hands_leaves_no_thread_behind(
    secure_zookeeper: SecureZooKeeper, store: MakeStore
) -> None:
    before = set(threading.enumerate())
    with socket.create_server((LOOPBACK, 0)) as silent:
        silent.settimeout(10)
        made = store(f"{LOOPBACK}:{silent.getsockname()[1]}", files_of(secure_zookeeper))
        made.connect(lambda _: None)
        made.open(OpenSession(Member(Node("db1", "m"))), lambda _: None)
        connection, _ = silent.accept()
        made.shut_down()
        eventually(lambda: set(threading.enumerate()) <= before, 5, "its thread has ended")
        connection.close()


AUTH = {"user": "failover", "password": "secret"}


def test_all_that_a_store_with_auth_makes_is_its_own(secure_zookeeper: SecureZooKeeper, zk_root: str) -> None:
    """The root, the records of a session, and those of a live election."""
    with ZooKeeperWorld(secure_zookeeper, zk_root, tls=files_of(secure_zookeeper), auth=AUTH) as world:
        assert "everybody" not in world.store(Node("operator", "x")).format()
        db1 = Player(world, "db1").open()
        db1.become_active()
        db1.store.append_history([{"at": "now"}])
        world.until(db1.history, "the history is written")
        world.raw.add_auth("digest", "failover:secret")
        schemes = {path: [acl.id.scheme for acl in world.raw.get_acls(path)[0]] for path in tree(world, zk_root)}
        assert len(schemes) > len(RECORDS) + 5
        assert all(found == ["digest"] for found in schemes.values()), schemes


def test_format_tells_of_paths_that_were_made_without_auth(world: ZooKeeperWorld) -> None:
    world.auth = AUTH
    said = world.store(Node("operator", "x")).format()
    assert f"formatted already; but {world.base} was made without store.auth" in said


def tree(world: ZooKeeperWorld, path: str) -> list[str]:
    """All paths from this one on."""
    return [path, *(deeper for child in world.raw.get_children(path) for deeper in tree(world, f"{path}/{child}"))]


def test_an_earlier_session_is_had_again_by_tls(world: ZooKeeperWorld, db1: Player) -> None:
    saved = db1.saved()
    db1.store.shut_down()
    again = Player(world, "db1")
    assert again.reattach(saved).session is not None
