"""The little service of the demo: keys and values over TCP, replicated to standbys before a write is acknowledged.

    SET key value -> OK | ERR reason        GET key -> VALUE v | NONE        COUNT -> COUNT n
    STATUS -> STATUS role epoch index standbys        FOLLOW -> a standby's: BEGIN n, ITEM…, SYNCED, then ENTRY…

Hooks give orders through two FIFOs in its folder: `ID promote EPOCH LAST_ACTIVE ME`, `ID demote`, `ID follow PORT` into
`orders`; `ID done` or `ID refused WHY` comes out of `answers`. It starts as a standby, always, and knows nothing of
controllers, locks or stores. Only the standard library: run as `python -m failover.demo.service FOLDER PORT`.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections import deque
from pathlib import Path

from failover.demo.data import Data, Values
from failover.demo.lines import Peer

RETRY_S = 0.05
STALL_S = 1.0  # a standby that acknowledges nothing for so long is cut off
CONNECT_S = 0.2
MOST_CONNECTIONS = 100


class Service:
    """One instance. One thread, one loop."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.role = "standby"
        self.epoch = 0
        self.data = Data(folder / "log")
        # One that was restarted may lack what was written meanwhile: until it has caught up it must not be promoted.
        self.caught_up = self.data.is_new
        self.standbys: dict[Peer, int] = {}
        self.unconfirmed: deque[tuple[int, float, Peer]] = deque()
        self.upstream: Peer | None = None
        self.upstream_port: int | None = None
        self.retry_at = 0.0
        self.following = ""  # the order to follow that is still to be answered
        self.snapshot: Values | None = None
        self.snapshot_index = 0
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=MOST_CONNECTIONS)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.orders = _fifo(folder / "orders")
        self.answers = _fifo(folder / "answers")
        self.selector.register(self.orders, selectors.EVENT_READ, self._take_orders)

    def serve(self) -> None:
        """Serve for ever."""
        self._write("role", self.role)
        self._write("pid", str(os.getpid()))  # the last one: it says that all the rest is ready
        while True:
            for key, mask in self.selector.select(self._patience_s()):
                key.data(mask)
            self._cut_off_stalled()
            if self.upstream_port and self.upstream is None and time.monotonic() >= self.retry_at:
                self._connect()

    def _patience_s(self) -> float | None:
        waits = [STALL_S] if self.unconfirmed else []
        if self.upstream_port and self.upstream is None:
            waits.append(max(0.0, self.retry_at - time.monotonic()))
        return min(waits, default=None)

    def _write(self, name: str, text: str) -> None:
        fresh = self.folder / f"{name}.new"
        fresh.write_text(f"{text}\n", "ascii")
        fresh.rename(self.folder / name)

    # --- clients

    def _accept(self, _: int) -> None:
        connection, _address = self.listener.accept()
        Peer(self.selector, connection, self._take_line, self._client_gone)

    def _client_gone(self, peer: Peer) -> None:
        if self.standbys.pop(peer, None) is not None:
            self._confirm()

    def _take_line(self, peer: Peer, line: str) -> None:
        match line.split():
            case ["SET", key, value]:
                self._set(peer, key, value)
            case ["GET", key]:
                found = self.data.values.get(key)
                peer.send("NONE" if found is None else f"VALUE {found}")
            case ["COUNT"]:
                peer.send(f"COUNT {len(self.data.values)}")
            case ["STATUS"]:
                peer.send(f"STATUS {self.role} {self.epoch} {self.data.index} {len(self.standbys)}")
            case ["FOLLOW"]:
                self._take_standby(peer)
            case ["ACK", index] if peer in self.standbys and index.isdecimal():
                self.standbys[peer] = int(index)
                self._confirm()
            case _:
                peer.send("ERR SET key value | GET key | COUNT | STATUS")

    def _set(self, client: Peer, key: str, value: str) -> None:
        if self.role != "active":
            client.send("ERR this is a standby")
            return
        index = self.data.index + 1
        self.data.append(index, key, value)
        self.unconfirmed.append((index, time.monotonic(), client))
        for standby in list(self.standbys):
            standby.send(f"ENTRY {index} {key} {value}")
        self._confirm()

    # --- the active's standbys

    def _take_standby(self, peer: Peer) -> None:
        if self.role != "active":
            peer.close()
            return
        peer.send(f"BEGIN {self.data.index}")
        for key, value in self.data.values.items():
            peer.send(f"ITEM {key} {value}")
        peer.send("SYNCED")
        if peer.open:
            self.standbys[peer] = self.data.index

    def _confirm(self) -> None:
        """Acknowledge what every connected standby has."""
        safe = min(self.standbys.values(), default=self.data.index)
        while self.unconfirmed and self.unconfirmed[0][0] <= safe:
            self.unconfirmed.popleft()[2].send("OK")

    def _cut_off_stalled(self) -> None:
        if self.unconfirmed and time.monotonic() - self.unconfirmed[0][1] > STALL_S:
            index = self.unconfirmed[0][0]
            for standby in [standby for standby, has in self.standbys.items() if has < index]:
                standby.close()

    # --- the standby's active

    def _connect(self) -> None:
        self.retry_at = time.monotonic() + RETRY_S
        try:
            connection = socket.create_connection(("127.0.0.1", self.upstream_port or 0), CONNECT_S)
        except OSError:
            return
        self.upstream = Peer(self.selector, connection, self._replicate, self._upstream_gone)
        self.upstream.send("FOLLOW")

    def _upstream_gone(self, peer: Peer) -> None:
        if peer is self.upstream:
            self.upstream = self.snapshot = None

    def _replicate(self, peer: Peer, line: str) -> None:
        match line.split():
            case ["BEGIN", index]:
                self.caught_up, self.snapshot, self.snapshot_index = False, {}, int(index)
            case ["ITEM", key, value] if self.snapshot is not None:
                self.snapshot[key] = value
            case ["SYNCED"] if self.snapshot is not None:
                self.data.replace(self.snapshot_index, self.snapshot)
                self.caught_up, self.snapshot = True, None
                self._answer_follow("done")
            case ["ENTRY", index, key, value]:
                self.data.append(int(index), key, value)
                peer.send(f"ACK {index}")
            case _:
                peer.close()

    def _leave_upstream(self) -> None:
        self._answer_follow("refused another order came")
        upstream, self.upstream, self.upstream_port, self.snapshot = self.upstream, None, None, None
        if upstream is not None:
            upstream.close()

    # --- orders

    def _take_orders(self, _: int) -> None:
        for line in os.read(self.orders, 4096).decode("ascii", "replace").splitlines():
            id_, *order = line.split() or [""]
            answer = self._obey(id_, order)
            if answer:
                os.write(self.answers, f"{id_} {answer}\n".encode("ascii"))

    def _obey(self, id_: str, order: list[str]) -> str:
        match order:
            case ["promote", epoch, last_active, me] if epoch.isdecimal():
                return self._promote(int(epoch), was_last=last_active == me)
            case ["demote"]:
                return self._demote()
            case ["follow", port] if port.isdecimal() and self.role == "standby":
                self._leave_upstream()
                self.following, self.upstream_port, self.retry_at, self.caught_up = id_, int(port), 0.0, False
                return ""
        return f"refused {self.role} cannot {' '.join(order)}"

    def _promote(self, epoch: int, was_last: bool) -> str:
        if epoch < self.epoch:
            return f"refused epoch {epoch} is older than {self.epoch}"
        if not (self.caught_up or was_last):
            return "refused this standby has not caught up with the last active"
        self._leave_upstream()
        self.role, self.epoch = "active", epoch
        self._write("role", self.role)
        return "done"

    def _demote(self) -> str:
        self.role = "standby"
        self._write("role", self.role)
        # Refused before the standbys are let go: with none connected, everything would count as confirmed.
        refused, self.unconfirmed = self.unconfirmed, deque()
        for _, _, client in refused:
            client.send("ERR this is a standby now")
        for standby in list(self.standbys):
            standby.close()
        return "done"

    def _answer_follow(self, answer: str) -> None:
        if self.following:
            os.write(self.answers, f"{self.following} {answer}\n".encode("ascii"))
            self.following = ""


def _fifo(path: Path) -> int:
    """Open for reading and writing, so that neither side ever waits for the other to open it."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def main() -> None:
    """Take folder and port from the command line."""
    Service(Path(sys.argv[1]), int(sys.argv[2])).serve()


if __name__ == "__main__":
    main()
