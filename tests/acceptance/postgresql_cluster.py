"""Two controllers over two real PostgreSQL servers with the shipped hooks; all else is `tests.acceptance.cluster`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.acceptance.cluster import Cluster, Host
from tests.servers.ports import free_port
from tests.servers.postgresql import Postgres

# A power switch: kills the controller of the node it is given, and everything that works in its data folder.
FENCE = """\
#!/bin/sh
echo "$FAILOVER_NODE fences $1" >> {cluster}/fenced
kill -9 "$(cat {cluster}/$1/controller.pid)" 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9; do
    left=$(find /proc/[0-9]*/cwd -maxdepth 0 -lname "{cluster}/$1/data" 2>/dev/null | cut -d/ -f3)
    [ -n "$left" ] || exit 0
    kill -9 $left
    sleep 0.1
done
exit 1
"""


@dataclass
class PostgresHost(Host):
    """One node with its server."""

    server: Postgres | None = None

    @property
    def pg(self) -> Postgres:
        assert self.server is not None
        return self.server


class PostgresCluster(Cluster):
    """The service `orders` on two hosts."""

    hosts: dict[str, PostgresHost]  # type: ignore[assignment]

    def _host(self, name: str) -> PostgresHost:
        self.folder.chmod(0o711)
        folder = self.folder / name
        folder.mkdir()
        server = Postgres(name, folder, self.folder)
        return PostgresHost(name, folder, f"127.0.0.1:{free_port()}", server.port, server=server)

    def __getitem__(self, name: str) -> PostgresHost:
        return self.hosts[name]

    def _write(self, host: Host, zookeeper: str, root: str, options: dict[str, Any]) -> None:
        self.hosts[host.name].pg.prepare()
        (host.folder / "fence").write_text(FENCE.format(cluster=self.folder))
        (host.folder / "fence").chmod(0o755)
        for name, text in {"tokens": "tests admin t0ken-of-the-tests\n", "peer.secret": "the peers' secret\n"}.items():
            (host.folder / name).write_text(text)
            (host.folder / name).chmod(0o600)
        config = {**self._config(host, zookeeper, root, options), **self._postgresql(self.hosts[host.name].pg)}
        host.config.write_text(json.dumps(config, indent=1))

    def _postgresql(self, server: Postgres) -> dict[str, Any]:
        def hook(name: str, **more: str) -> dict[str, Any]:
            return {"run": [str(server.folder / "hooks" / name)], **more}

        return {
            "control": {
                "kind": "command",
                "promote": hook("promote", timeout="60s"),
                "demote": hook("demote", timeout="30s"),
                "follow": hook("follow", timeout="60s"),
                "role": hook("role", every="1s", timeout="1s"),
                "ready": hook("ready", timeout="5s"),
                "position": hook("position", every="2s", timeout="2s"),
            },
            "health": [
                {"kind": "process", "pidfile": str(server.pid_file), "every": "500ms"},
                {"kind": "tcp", "port": server.port, "every": "1s", "timeout": "500ms", "fall": 3},
            ],
        }

    def destroy(self) -> None:
        self.end_controllers()
        for host in self.hosts.values():
            host.pg.destroy()
        super().destroy()


@contextmanager
def postgresql_cluster(zookeeper: str, root: str) -> Iterator[PostgresCluster]:
    """A formatted cluster, not started yet; gone afterwards. What went wrong is in the logs."""
    made = PostgresCluster(zookeeper, ["a", "b"], root)
    try:
        made.format()
        yield made
    except BaseException:
        print(made.logs())
        for host in made.hosts.values():
            print(f"--- the server of {host.name}\n{host.pg.last_log()}")
        raise
    finally:
        made.destroy()
