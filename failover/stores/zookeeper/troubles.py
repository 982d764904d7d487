"""Why the servers cannot be reached, one reason for each, as far as the last try has shown.

Each is logged once for as long as it lasts. Deliberately unknown here: how a connection is made.
"""

from __future__ import annotations

from failover.stores.zookeeper.handler import log


class Troubles:
    """What the store's clients have met, all of them together. Called on the connections' threads."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}

    def tell(self, server: str, words: str) -> None:
        """A try to reach `server` (host:port) has failed."""
        if self._words.get(server) != words:
            log.warning("ZooKeeper %s: %s", server, words)
            self.note(server, words)

    def note(self, server: str, words: str) -> None:
        """As `tell`, of what the log says elsewhere."""
        self._words = {**self._words, server: words}  # a new one: whoever reads does so on another thread

    def over(self) -> None:
        """A server answers."""
        self._words = {}

    def __str__(self) -> str:
        """All of them in a line; "" where there is none."""
        return "; ".join(f"{server} {words}" for server, words in self._words.items())
