"""A TCP relay that can be cut, frozen and delayed while it runs, without root.

Each relay has one thread, which alone owns its sockets; an order is carried out there and is in
effect when it returns. Frozen means silence: nothing is read, written or closed, as when packets
are dropped; what was under way arrives after `heal`, as TCP would send it again. One thing differs
from a real black hole: the kernel still completes the handshake of a new connection, which then
gets no answer. It does not know what it carries.
"""

import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Literal

from tests.servers.link import Link, Way
from tests.servers.ports import LOOPBACK, free_port

Frozen = Literal["both", "to_server", "to_client"]

_WAYS: dict[Frozen, frozenset[Way]] = {
    "both": frozenset(Way),
    "to_server": frozenset({Way.TO_SERVER}),
    "to_client": frozenset({Way.TO_CLIENT}),
}
_ORDER_S = 5.0


class Relay:
    """Listens on a loopback port of its own and passes every connection on to `target_port`.

    `opening` may rewrite the first bytes that each client sends.
    """

    def __init__(self, target_port: int, *, opening: Callable[[bytes], bytes] | None = None) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._opening = opening
        self._listener: socket.socket | None = None
        self._links: list[Link] = []
        self._frozen: frozenset[Way] = frozenset()
        self._delay_s = 0.0
        self._closing = False
        self._orders: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._bell, self._woken = socket.socketpair()
        self._listen()
        self._thread = threading.Thread(target=self._run, name=f"relay-{self.port}", daemon=True)
        self._thread.start()

    @property
    def hosts(self) -> str:
        """What the client connects to: `127.0.0.1:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are relayed just now."""
        return len(self._links)

    def cut(self) -> None:
        """Reset what is connected and refuse what comes, until `heal`."""
        self._order(self._refuse)

    def drop(self) -> None:
        """Reset what is connected; new connections are welcome."""
        self._order(self._reset_all)

    def freeze(self, which: Frozen = "both") -> None:
        """Silence both ways or one, and no new connection gets through, until `heal`."""
        self._order(lambda: setattr(self, "_frozen", _WAYS[which]))

    def delay(self, seconds: float) -> None:
        """Hold everything that is read from now on for this long, each way; 0 ends it."""
        self._order(lambda: setattr(self, "_delay_s", seconds))

    def heal(self) -> None:
        """Neither cut, nor frozen, nor delayed any more."""
        self._order(self._undo)

    def close(self) -> None:
        """Reset everything and end; the relay cannot be used again."""
        if self._thread.is_alive():
            self._order(self._finish)
            self._thread.join(_ORDER_S)
        self._bell.close()
        self._woken.close()

    def _order(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((action, done))
        self._bell.send(b"!")
        if not done.wait(_ORDER_S):
            raise RuntimeError(f"the relay at {self.hosts} no longer takes orders")

    # Everything below runs on the relay's own thread (or before it has started).

    def _run(self) -> None:
        while not self._closing:
            self._wait()
            self._obey()
            self._accept()
            now = time.monotonic()
            for link in self._links:
                link.move(now, self._frozen, self._delay_s)
            self._links = [link for link in self._links if not link.over]

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._listener is not None and not self._frozen:
            poll.register(self._listener, select.POLLIN)
        now = time.monotonic()
        for link in self._links:
            for descriptor, mask in link.interests(now, self._frozen).items():
                poll.register(descriptor, mask)
        dues = [due for link in self._links if (due := link.next_due(self._frozen)) is not None]
        later = [due for due in dues if due > now]
        poll.poll(max(1.0, (min(later) - now) * 1000) if later else None)

    def _obey(self) -> None:
        while not self._orders.empty():
            action, done = self._orders.get()
            self._woken.recv(1)
            action()
            done.set()

    def _accept(self) -> None:
        while self._listener is not None and not self._frozen:
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            self._links.append(Link(client, (LOOPBACK, self._target_port), self._opening))

    def _listen(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=128)
        self._listener.setblocking(False)

    def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._reset_all()

    def _reset_all(self) -> None:
        for link in self._links:
            link.reset()
        self._links = []

    def _undo(self) -> None:
        self._frozen = frozenset()
        self._delay_s = 0.0
        if self._listener is None:
            self._listen()

    def _finish(self) -> None:
        self._refuse()
        self._closing = True
