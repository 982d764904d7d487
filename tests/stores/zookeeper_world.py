"""A real ZooKeeper as the stores' world: each store has a link of its own, which can be cut."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from kazoo.client import KazooClient

from failover.core.events import ConnectionLost, ConnectionRestored
from failover.core.values import Node
from failover.stores.zookeeper import ZooKeeperStore
from failover.support.tls import TlsFiles
from tests.servers.proxy import Relay
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper
from tests.stores.players import SERVICE, WITHIN_S, Player

RECORDS = {
    "breadcrumb": "ActiveBreadCrumb",
    "control": "control",
    "lock": "ActiveStandbyElectorLock",
}


class ZooKeeperWorld:
    """Stores on one server under one root. `timeout_s` is what they ask for; with `tls` they use its port for that."""

    def __init__(
        self,
        server: ZooKeeper,
        root: str,
        timeout_s: float = 6.0,
        tls: TlsFiles | None = None,
        auth: dict[str, str] | None = None,
    ) -> None:
        self.tls = tls
        self.auth = auth or {}
        self.server = server
        self.root = root
        self.base = f"{root}/{SERVICE}"
        self.timeout_s = timeout_s
        self.relays: dict[int, Relay] = {}
        self._ended = ExitStack()
        self._raw: KazooClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.close()

    @property
    def raw(self) -> Any:
        """A client of its own, to look behind the stores' backs."""
        if self._raw is None:
            self._raw = KazooClient(self.server.hosts)
            self._raw.start()
            self._ended.callback(self._end_raw, self._raw)
        return self._raw

    @staticmethod
    def _end_raw(client: KazooClient) -> None:
        client.stop()
        client.close()

    def store(self, node: Node, service: str = SERVICE, **auth: str) -> ZooKeeperStore:
        relay = Relay(self.server.tls_port if self.tls else self.server.port)
        self._ended.callback(relay.close)
        store = ZooKeeperStore([relay.hosts], service, self.root, self.timeout_s, **{**self.auth, **auth}, tls=self.tls)
        if service != SERVICE:
            store.format()
        self._ended.callback(store.shut_down)
        self.relays[id(store)] = relay
        return store

    def relay_of(self, player: Player) -> Relay:
        return self.relays[id(player.store)]

    def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        eventually(condition, within_s, what)

    def kill(self, player: Player) -> None:
        id_ = client_id(player)
        player.store.shut_down()
        if id_ is not None:
            self.server.expire_session(*id_)

    def take_away(self, player: Player) -> None:
        lost = len(player.seen(ConnectionLost))
        self.relay_of(player).cut()
        self.until(lambda: len(player.seen(ConnectionLost)) > lost, "the cut is noticed")

    def bring_back(self, player: Player) -> None:
        restored = len(player.seen(ConnectionRestored))
        self.relay_of(player).heal()
        self.until(lambda: len(player.seen(ConnectionRestored)) > restored, "the store is back")

    def spoil(self, record: str) -> None:
        self.raw.set(f"{self.base}/{RECORDS[record]}", b"not JSON")


def client_id(player: Player) -> tuple[int, bytes] | None:
    """Id and password of the player's session, for whoever wants to end it at the server."""
    assert isinstance(player.store, ZooKeeperStore)
    session = player.store._session
    if session is None:
        return None
    id_: tuple[int, bytes] | None = session.client.client_id
    return id_
