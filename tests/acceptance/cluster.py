"""Two or three `failoverd` processes over real Redis servers and a real ZooKeeper, as an operator would set them up.

Knows how to write the configuration and the hooks, to start and end the processes, and to ask their APIs. What must
hold is said by the tests.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.servers.authority import Authority
from tests.servers.fit import is_fit
from tests.servers.guardian import scratch_folder
from tests.servers.ports import free_port
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisError, Reply, ask
from tests.servers.wait import eventually

TOKEN = "t0ken-of-the-tests"
CHECKOUT = Path(__file__).resolve().parents[2]

HOOKS = {
    "promote": """
        echo $$ > $HOME_DIR/promote.pid
        [ -e $HOME_DIR/promote-hangs ] && sleep 30
        [ -e $HOME_DIR/promote-fails ] && exit 1
        if [ -e $CLUSTER_DIR/promote-starts ] && ! redis-cli -p $PORT ping >/dev/null 2>&1; then
            setsid redis-server $HOME_DIR/redis.conf --replicaof 127.0.0.1 1 --daemonize yes
            for i in $(seq 100); do redis-cli -p $PORT ping >/dev/null 2>&1 && break; sleep 0.05; done
        fi
        redis-cli -p $PORT replicaof no one
    """,
    # A service that does not answer because its process is gone is not active: that is `done`.
    "demote": """
        [ -e $HOME_DIR/demote-hangs ] && sleep 60
        [ -e $HOME_DIR/demote-fails ] && exit 1
        if redis-cli -p $PORT ping >/dev/null 2>&1; then redis-cli -p $PORT replicaof 127.0.0.1 1; fi
        exit 0
    """,
    # Brings a dead server back, as a replica of the active.
    "follow": """
        echo "$FAILOVER_ACTIVE $FAILOVER_EPOCH" >> $HOME_DIR/followed
        if ! redis-cli -p $PORT ping >/dev/null 2>&1; then
            setsid redis-server $HOME_DIR/redis.conf --replicaof 127.0.0.1 1 --daemonize yes
            for i in $(seq 100); do redis-cli -p $PORT ping >/dev/null 2>&1 && break; sleep 0.05; done
        fi
        redis-cli -p $PORT replicaof 127.0.0.1 $(cat $CLUSTER_DIR/port.$FAILOVER_ACTIVE)
    """,
    "role": """
        case "$(redis-cli -p $PORT role | head -1)" in
            master) echo active ;;
            slave) echo standby ;;
            *) exit 2 ;;
        esac
    """,
    "position": """
        redis-cli -p $PORT info replication | awk -F: '/^(slave|master)_repl_offset/ { print $2 + 0; exit }'
    """,
    "ready": """
        [ -e $HOME_DIR/not-ready ] && { echo the backup runs; exit 1; }
        exit 0
    """,
    # Kills controller and service of the node it is given: a power switch.
    "fence": """
        echo "$FAILOVER_NODE fences $1 under $FAILOVER_EPOCH" >> $CLUSTER_DIR/fenced
        [ -e $CLUSTER_DIR/fence-fails ] && exit 1
        [ -e $CLUSTER_DIR/fence-hangs ] && sleep 60
        for file in controller.pid redis.pid; do
            pid=$(cat $CLUSTER_DIR/$1/$file 2>/dev/null) || continue
            [ -e $CLUSTER_DIR/spare-controllers ] && [ $file = controller.pid ] && continue
            kill -9 $pid 2>/dev/null
        done
        exit 0
    """,
}


@dataclass
class Host:
    """One node: a folder with its configuration, hooks and Redis, and its `failoverd`."""

    name: str
    folder: Path
    api: str
    port: int
    process: ServerProcess | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=5.0))
    scheme: str = "http"

    @property
    def config(self) -> Path:
        return self.folder / "failoverd.yaml"

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self, install: Path | None = None) -> None:
        """Start the controller; its pid goes where the fence hook finds it. `install`: the folder of its packages."""
        where = ["env", f"PYTHONPATH={install}"] if install else []
        command = [*where, sys.executable, "-m", "failover.daemon", "--verbose", str(self.config)]
        process = ServerProcess(command, self.folder / "log")
        process.start()
        self.process = process
        (self.folder / "controller.pid").write_text(str(process.pid))

    def promoting(self) -> int:
        """The pid of its promote hook, once that has written it; 0 before."""
        path = self.folder / "promote.pid"
        return int((path.read_text() if path.exists() else "") or 0)

    def hanging(self) -> int:
        """The pid of what its hanging promote hook waits for, in the hook's group; 0 before there is one."""
        hook = self.promoting()
        return int((children(hook) or ["0"])[0]) if hook else 0

    def kill_with_launcher(self) -> None:
        """SIGKILL to its controller and to its launcher at once, so that neither can end a hook."""
        assert self.process is not None
        assert self.process.pid is not None
        pids = (*map(int, children(self.process.pid)), self.process.pid)
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: none sees the other's end
            for pid in pids:
                os.kill(pid, number)
        self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def get(self, path: str) -> httpx.Response | None:
        try:
            return self.client.get(f"{self.scheme}://{self.api}{path}")
        except httpx.TransportError:
            return None

    def post(self, path: str, body: dict[str, Any] | None = None, token: str | None = TOKEN) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.post(f"{self.scheme}://{self.api}{path}", json=body or {}, headers=headers, timeout=20.0)

    def status(self) -> dict[str, Any]:
        answer = self.get("/v1/status")
        return answer.json() if answer is not None and answer.status_code == 200 else {}

    def role(self) -> str:
        return str(self.status().get("role", ""))

    def sees_fit(self, name: str) -> bool:
        """Whether this node has heard that the other one could take over."""
        answer = self.get("/v1/cluster")
        return answer is not None and answer.status_code == 200 and is_fit(name, answer.json())

    def session(self) -> str:
        """The id of its session with ZooKeeper."""
        return str(self.status().get("store", {}).get("session", ""))

    def active(self) -> bool:
        answer = self.get("/active")
        return answer is not None and answer.status_code == 200

    def lock_header(self) -> str:
        """What `/active` says of the lock, where it answers 200."""
        answer = self.get("/active")
        return answer.headers.get("X-Lock", "") if answer is not None and answer.status_code == 200 else ""

    def redis(self, *words: str) -> Reply:
        return ask(self.port, words)[0]

    def followed(self) -> list[str]:
        """`ACTIVE EPOCH` for each time that `follow` was run."""
        path = self.folder / "followed"
        return path.read_text().splitlines() if path.exists() else []

    def redis_role(self) -> str:
        """master, slave, or "" when it does not answer."""
        try:
            reply = self.redis("ROLE")
        except (OSError, RedisError):
            return ""
        return str(reply[0]) if isinstance(reply, list) else ""

    def redis_pid(self) -> int:
        return int((self.folder / "redis.pid").read_text())

    def start_redis(self) -> None:
        subprocess.run(
            ["redis-server", str(self.folder / "redis.conf"), "--replicaof", "127.0.0.1", "1", "--daemonize", "yes"],
            check=True,
            capture_output=True,
        )
        eventually(lambda: self.redis_role() == "slave", 5, f"the Redis of {self.name} answers")

    def kill_redis(self) -> float:
        """SIGKILL; the moment (CLOCK_MONOTONIC) just before."""
        at = time.monotonic()
        os.kill(self.redis_pid(), signal.SIGKILL)
        return at


class Cluster:
    """A service on several hosts."""

    def __init__(self, hosts: str, names: list[str], root: str, **options: Any) -> None:
        self.folder = scratch_folder("cluster")
        self.service = f"cache-{secrets.token_hex(3)}"
        self.hosts = {name: self._host(name) for name in names}
        for name in names:
            self._write(self.hosts[name], hosts if isinstance(hosts, str) else hosts[name], root, options)

    def _host(self, name: str) -> Host:
        folder = self.folder / name
        folder.mkdir()
        host = Host(name, folder, f"127.0.0.1:{free_port()}", free_port())
        (self.folder / f"port.{name}").write_text(str(host.port))
        return host

    def _write(self, host: Host, zookeeper: str, root: str, options: dict[str, Any]) -> None:
        (host.folder / "redis.conf").write_text(
            f"bind 127.0.0.1\nport {host.port}\ndir {host.folder}\npidfile {host.folder}/redis.pid\n"
            'save ""\nappendonly yes\nappendfsync no\nrepl-diskless-sync-delay 0\nlogfile redis.log\n'
        )
        for name, body in HOOKS.items():
            script = host.folder / name
            script.write_text(
                f"#!/bin/sh\nPORT={host.port} HOME_DIR={host.folder} CLUSTER_DIR={self.folder}\n"
                + "\n".join(line.strip() for line in body.splitlines())
            )
            script.chmod(0o755)
        for name, text in {"tokens": f"tests admin {TOKEN}\n", "peer.secret": "the peers' shared secret\n"}.items():
            (host.folder / name).write_text(text)
            (host.folder / name).chmod(0o600)
        host.config.write_text(json.dumps(self._config(host, zookeeper, root, options), indent=1))

    def _config(self, host: Host, zookeeper: str, root: str, options: dict[str, Any]) -> dict[str, Any]:
        def hook(name: str, timeout: str, **more: str) -> dict[str, Any]:
            return {"run": [str(host.folder / name)], "timeout": timeout, **more}

        steps_down = options.get("on_store_loss") == "step_down"  # within the session
        return {
            "service": self.service,
            "node": host.name,
            "state_dir": str(host.folder / "state"),
            "store": {
                "kind": "zookeeper",
                "hosts": zookeeper.split(","),
                "root": root,
                "session_timeout": options.get("session_timeout", "4s"),  # a busy machine may stand still for a while
                "tick_time": options.get("tick_time", "200ms"),
                **options.get("store", {}),
            },
            "nodes": {name: {"address": "127.0.0.1", **options.get("facts", {}).get(name, {})} for name in self.hosts},
            "control": {
                "kind": "command",
                "promote": hook("promote", "10s"),
                "demote": hook("demote", options.get("demote_timeout", "1s" if steps_down else "2s")),
                "follow": hook("follow", "10s"),
                "role": hook("role", "1s", every="1s"),
                **({"position": hook("position", "1s", every="1s")} if "position" in options else {}),
                **({"ready": hook("ready", "1s")} if "ready" in options else {}),
            },
            **options.get("own", {}).get(host.name, {}),
            "health": [
                {"kind": "process", "pidfile": str(host.folder / "redis.pid"), "every": "500ms", "timeout": "500ms"},
                {"kind": "tcp", "port": host.port, "every": "500ms", "timeout": "500ms"},
            ],
            "fencing": options["fencing"](self.hosts)
            if callable(options.get("fencing"))
            else options.get("fencing")
            or {
                "methods": {
                    "ask": {"kind": "controller", "timeout": "3s"},
                    "power": {"kind": "command", "run": [str(host.folder / "fence"), "{node.name}"], "timeout": "5s"},
                },
                "levels": options.get("levels", [["ask"], ["power"]]),
            },
            "on_store_loss": options.get("on_store_loss", "hold"),
            "on_stop": options.get("on_stop", "handover"),
            "limits": {
                "retry": options.get("retry", {"first": "200ms", "longest": "2s"}),
                **options.get("limits", {}),
            },
            "api": {
                "listen": host.api,
                "allow_loopback": True,
                "tokens": {"file": str(host.folder / "tokens")},
                "peer_secret": {"file": str(host.folder / "peer.secret")},
                **self._tls(host, options.get("authority")),
            },
        }

    def _tls(self, host: Host, authority: Authority | None) -> dict[str, Any]:
        """https for the API of that host, with a certificate of its own."""
        if authority is None:
            return {}
        cert, key = authority.issue(host.name)
        host.client.close()
        host.client = httpx.Client(timeout=5.0, verify=ssl.create_default_context(cafile=str(authority.path)))
        host.scheme = "https"
        return {"tls": {"cert": str(cert), "key": str(key), "ca": str(authority.path)}}

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def ctl(self, host: Host, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`failoverctl` on that host, with its configuration."""
        return subprocess.run(
            [sys.executable, "-m", "failover.cli", *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=CHECKOUT,
            env={**os.environ, "FAILOVERD_CONFIG": str(host.config), **(env or {})},
        )

    def switchover(self, asked: Host, target: Host) -> None:
        """An operator's, given once the node that is asked has heard that the target is fit; it must be done."""
        eventually(lambda: asked.sees_fit(target.name), 15, f"{target.name} could take over\n{self.logs()}")
        done = self.ctl(asked, "switchover", "--to", target.name, "--reason", "test")
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()

    def format(self) -> None:
        done = self.ctl(next(iter(self.hosts.values())), "format")
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *names: str) -> None:
        """Start Redis and controller on the hosts; the first becomes active before the others start."""
        for name in names or self.hosts:
            self[name].start_redis()
            self[name].start()
            self.the_active(15)

    def freeze_the_active(self) -> tuple[Host, Host]:
        """Start a and b; a is active, then its controller is stopped, and its Redis goes on: only a fence helps."""
        self.start("a", "b")
        a, b = self["a"], self["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        assert a.process is not None
        a.process.pause()
        return a, b

    def the_active(self, within_s: float = 15) -> Host:
        """The one host that says it is active, once there is one."""

        def only() -> Host | None:
            active = [host for host in self.hosts.values() if host.active()]
            if len(active) > 1:  # they were asked one after the other: the first may have handed over in between
                active = [host for host in active if host.active()]
            assert len(active) <= 1, f"two actives: {[host.name for host in active]}"
            return active[0] if active else None

        found = eventually(only, within_s, f"somebody is active\n{self.logs()}")
        assert found is not None
        return found

    def standby(self) -> Host:
        """A healthy standby."""
        found = eventually(
            lambda: next((h for h in self.hosts.values() if h.role() == "standby"), None), 15, "somebody is standby"
        )
        assert found is not None
        return found

    def logs(self) -> str:
        return "\n".join(f"--- {host.name}\n{host.log[-30000:]}" for host in self.hosts.values())

    def fenced(self) -> list[str]:
        path = self.folder / "fenced"
        return path.read_text().splitlines() if path.exists() else []

    def end_controllers(self) -> None:
        for host in self.hosts.values():
            if host.process is not None:
                host.process.kill()

    def destroy(self) -> None:
        for host in self.hosts.values():
            host.client.close()
        self.end_controllers()
        for host in self.hosts.values():
            self._end_redis(host)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_redis(self, host: Host) -> None:
        try:
            pid = host.redis_pid()
            os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return
        eventually(lambda: is_over(pid), 5, f"Redis {pid} has ended")


def children(pid: int) -> list[str]:
    """The pids of its children; none if it is gone."""
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_over(pid: int) -> bool:
    """Gone, or a zombie that nobody has waited for."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@contextmanager
def cluster(hosts: str, root: str, names: tuple[str, ...] = ("a", "b"), **options: Any) -> Iterator[Cluster]:
    """A formatted cluster, not started yet; gone afterwards. What went wrong is in the logs."""
    made = Cluster(hosts, list(names), root, **options)
    try:
        made.format()
        yield made
    except BaseException:
        print(made.logs())
        raise
    finally:
        made.destroy()
