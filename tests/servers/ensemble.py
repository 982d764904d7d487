"""Three real ZooKeepers whose links to each other can be cut, while clients still reach each one.

Every member reaches every other through relays made for that pair, so that a pair can be silenced
without root.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerStartError
from tests.servers.proxy import Relay
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

_MEMBERS = (1, 2, 3)


class Ensemble:
    """Three members, which stay the same from start to start, until `destroy`.

    `sync_limit_ticks` says for how long a follower that hears nothing from its leader serves on.
    """

    def __init__(
        self,
        *,
        tick_time_ms: int = 200,
        min_session_timeout_ms: int = 400,
        max_session_timeout_ms: int = 40_000,
        sync_limit_ticks: int = 5,
        init_limit_ticks: int = 10,
    ) -> None:
        self._quorum_ports = {member: free_port() for member in _MEMBERS}
        self._election_ports = {member: free_port() for member in _MEMBERS}
        self._relays: dict[tuple[int, int], tuple[Relay, Relay]] = {}
        for one in _MEMBERS:
            for other in _MEMBERS:
                if one != other:
                    self._relays[one, other] = self._relays_between(one, other)
        limits = {"initLimit": str(init_limit_ticks), "syncLimit": str(sync_limit_ticks)}
        self.servers = tuple(
            ZooKeeper(
                tick_time_ms=tick_time_ms,
                min_session_timeout_ms=min_session_timeout_ms,
                max_session_timeout_ms=max_session_timeout_ms,
                settings=limits | self._peers_of(member),
                server_id=member,
            )
            for member in _MEMBERS
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.destroy()

    @property
    def hosts(self) -> str:
        """What a client connects to: the three, comma-separated."""
        return ",".join(server.hosts for server in self.servers)

    def start(self, within_s: float = 20.0) -> None:
        """Start all and wait until each serves; ServerStartError otherwise, and nothing is left."""
        try:
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait_until_serving(within_s)
        except ServerStartError:
            self.destroy()
            raise

    def destroy(self) -> None:
        """Kill all and remove their data and relays."""
        for server in self.servers:
            server.destroy()
        for pair in self._relays.values():
            for relay in pair:
                relay.close()

    def leader(self, within_s: float = 10.0) -> ZooKeeper:
        """The member that says it leads; one that was just cut off says so for a few ticks more."""
        return eventually(lambda: self._saying("leader"), within_s, "one member leads")[0]

    def followers(self, within_s: float = 10.0) -> list[ZooKeeper]:
        """The members that say they follow: at least one."""
        return eventually(lambda: self._saying("follower"), within_s, "one member follows")

    def follower(self, within_s: float = 10.0) -> ZooKeeper:
        """One that follows."""
        return self.followers(within_s)[0]

    def cut(self, one: ZooKeeper, other: ZooKeeper) -> None:
        """Silence between two members, both ways, until `heal`; clients reach both."""
        for relay in self._between(one, other):
            relay.freeze()

    def cut_off(self, server: ZooKeeper) -> None:
        """Silence between one member and all the others, until `heal`; clients still reach it."""
        for other in self.servers:
            if other is not server:
                self.cut(server, other)

    def heal(self) -> None:
        """Every member hears every other again."""
        for pair in self._relays.values():
            for relay in pair:
                relay.heal()

    def _saying(self, mode: str) -> list[ZooKeeper]:
        return [server for server in self.servers if server.mode() == mode]

    def _between(self, one: ZooKeeper, other: ZooKeeper) -> tuple[Relay, ...]:
        assert one.server_id is not None
        assert other.server_id is not None
        there = self._relays[one.server_id, other.server_id]
        back = self._relays[other.server_id, one.server_id]
        return there + back

    def _relays_between(self, one: int, other: int) -> tuple[Relay, Relay]:
        return (
            Relay(self._quorum_ports[other]),
            Relay(self._election_ports[other], opening=self._hide_election_port(one, other)),
        )

    def _hide_election_port(self, one: int, other: int) -> Callable[[bytes], bytes]:
        """Put the relay's address for the one that `one` tells `other` when it opens an election.

        Of two members the higher one makes the connection: called by the lower one, it hangs up
        and calls back at the address that it was just told, which would go past the relays.
        """

        def rewritten(opening: bytes) -> bytes:
            direct = f"{LOOPBACK}:{self._election_ports[one]}"
            relayed = self._relays[other, one][1].hosts
            assert len(direct) == len(relayed)  # the message says how long it is
            return opening.replace(direct.encode(), relayed.encode(), 1)

        return rewritten

    def _peers_of(self, member: int) -> dict[str, str]:
        lines = {f"server.{member}": (self._quorum_ports[member], self._election_ports[member])}
        for other in _MEMBERS:
            if other != member:
                quorum, election = self._relays[member, other]
                lines[f"server.{other}"] = (quorum.port, election.port)
        return {name: f"{LOOPBACK}:{quorum}:{election}" for name, (quorum, election) in lines.items()}
