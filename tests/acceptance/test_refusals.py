"""What the daemon and the operator's command refuse: each with a reason and an exit code, and nothing lost."""

import socket
import subprocess
import sys

from kazoo.client import KazooClient

from tests.acceptance.cluster import CHECKOUT, Host, cluster
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


def run_daemon(host: Host) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "failover.daemon", str(host.config)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=CHECKOUT,
    )


def test_a_second_controller_for_the_same_service_refuses_to_start_s9(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a")
        second = run_daemon(pair["a"])
        assert second.returncode == 1
        assert "another controller (pid" in second.stderr
        assert "Traceback" not in second.stderr
        assert pair["a"].active(), "the first one is not disturbed"


def test_a_daemon_without_formatted_paths_says_what_to_do_and_exits_3(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        text = pair["a"].config.read_text().replace(pair.service, "unformatted")
        pair["a"].config.write_text(text)
        ended = run_daemon(pair["a"])
        assert ended.returncode == 3, ended.stderr
        assert "failoverctl format" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_breadcrumb_that_cannot_be_read_is_refused_and_not_overwritten(zookeeper: ZooKeeper, zk_root: str) -> None:
    garbage = b"\x00\xffnot a record"
    with cluster(zookeeper.hosts, zk_root) as pair:
        client = KazooClient(zookeeper.hosts)
        client.start()
        crumb = f"{zk_root}/{pair.service}/ActiveBreadCrumb"
        client.create(crumb, garbage, makepath=True)
        a = pair["a"]
        a.start_redis()
        a.start()
        eventually(lambda: "cannot be read" in a.log, 15, f"a says why\n{a.log}")
        assert a.redis_role() == "slave", "nobody is promoted"
        assert client.get(crumb)[0] == garbage
        assert "Traceback" not in a.log
        client.stop()
        client.close()


def test_garbage_in_the_lock_is_somebody_elses_lock(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        client = KazooClient(zookeeper.hosts)
        client.start()
        lock = f"{zk_root}/{pair.service}/ActiveStandbyElectorLock"
        client.create(lock, b"{{{", ephemeral=True, makepath=True)
        a = pair["a"]
        a.start_redis()
        a.start()
        eventually(lambda: a.role() == "standby", 15, f"a stands by\n{a.log}")
        assert client.get(lock)[0] == b"{{{"
        assert "Traceback" not in a.log
        client.stop()
        client.close()
        eventually(a.active, 15, f"the lock is free now\n{a.log}")


def test_a_configuration_with_mistakes_ends_the_daemon_with_lines_not_a_traceback(tmp_path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("service: x y\nhealth: []\ncontroll: {}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "failover.daemon", str(path)], capture_output=True, text=True, timeout=30, cwd=CHECKOUT
    )
    assert ended.returncode == 10
    assert f"{path}:1:10" in ended.stderr
    assert "control" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_one_clear_line_and_exit_1(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair, socket.create_server(("127.0.0.1", 0)) as taken:
        a = pair["a"]
        a.config.write_text(a.config.read_text().replace(a.api, f"127.0.0.1:{taken.getsockname()[1]}"))
        ended = run_daemon(a)
        assert ended.returncode == 1
        assert "cannot listen on" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_session_too_short_for_the_step_down_bars_the_node_and_says_what_would_do_s6(zk_root: str) -> None:
    with (
        ZooKeeper(max_session_timeout_ms=2000) as server,
        cluster(server.hosts, zk_root, session_timeout="12s", demote_timeout="3s", on_store_loss="step_down") as pair,
    ):
        a = pair["a"]
        a.start_redis()
        a.start()
        eventually(lambda: "cannot end inside its lease" in a.status().get("why", ""), 15, f"a says why\n{a.log}")
        assert a.role() == "out"
        assert "maxSessionTimeout" in a.status()["why"]
        assert "the store granted a session of 2 s, not 12 s: worst-case failover " in a.log
        timing = a.status()["timing"]
        assert timing["session_timeout_s"] == 2
        assert timing["step_down_margin_s"] < 0
        assert a.redis_role() == "slave"
