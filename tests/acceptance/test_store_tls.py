"""Two real controllers whose ZooKeeper takes nobody without a certificate and a password: all goes the same way."""

import json
import shutil
from pathlib import Path
from typing import Any

from failover.cli.exit_codes import ExitCode
from tests.acceptance.cluster import Host, cluster
from tests.servers.secure_zookeeper import SecureZooKeeper
from tests.servers.wait import eventually


def by_tls(server: SecureZooKeeper, folder: Path, **tls: Path) -> dict[str, Any]:
    """The options of a cluster."""
    password = folder / "zk.secret"
    password.write_text("of the tests\n")
    password.chmod(0o600)
    files = {"ca": server.ca, "cert": server.cert, "key": server.key, **tls}
    auth = {"user": "failover", "password": {"file": str(password)}}
    return {"store": {"tls": {name: str(path) for name, path in files.items()}, "auth": auth}}


def kill(host: Host) -> None:
    assert host.process is not None
    host.process.kill()


def test_failover_adoption_switchover_and_last_will(
    secure_zookeeper: SecureZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    options = by_tls(secure_zookeeper, tmp_path)
    with cluster(secure_zookeeper.tls_hosts, zk_root, session_timeout="12s", **options) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, f"b is standby\n{pair.logs()}")

        session, epoch = a.session(), a.status()["epoch"]
        kill(a)
        a.start()
        eventually(a.active, 15, f"a carries on\n{pair.logs()}")
        assert (a.session(), a.status()["epoch"]) == (session, epoch)

        a.kill_redis()
        eventually(b.active, 10, f"b takes over\n{pair.logs()}")
        eventually(lambda: a.role() == "standby", 15, f"a is a standby\n{pair.logs()}")
        pair.switchover(b, a)

        kill(a)
        done = pair.ctl(a, "last-will", "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["session"], told["breadcrumb"]) == (ExitCode.OK, "closed", "clean"), done.stderr
        eventually(b.active, 10, f"b takes over at once\n{pair.logs()}")
        assert not pair.fenced()


def test_a_controller_that_gets_no_tls_says_why_and_joins_once_its_files_are_right(
    secure_zookeeper: SecureZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    ca = Path(shutil.copy(secure_zookeeper.ca, tmp_path / "ca.pem"))
    with cluster(secure_zookeeper.tls_hosts, zk_root, **by_tls(secure_zookeeper, tmp_path, ca=ca)) as pair:
        a, words = pair["a"], "its certificate is not signed by the CA in ca"
        shutil.copy(secure_zookeeper.stranger().path, ca)
        a.start_redis()
        a.start()
        eventually(lambda: words in a.status().get("store", {}).get("trouble", ""), 15, f"it says why\n{a.log}")
        for command in ("status", "why"):
            said = pair.ctl(a, command)
            assert words in said.stdout, (command, said.stdout, said.stderr)
        ready = a.get("/ready")
        assert ready is not None
        assert (ready.status_code, words in ready.text) == (503, True)
        assert words in a.log
        assert "Traceback" not in a.log

        shutil.copy(secure_zookeeper.ca, ca)
        eventually(a.active, 15, f"a joins, without a restart\n{a.log}")
        assert a.status()["store"]["trouble"] == ""


def test_one_without_tls_at_the_port_for_it_says_so_and_format_fails_in_words(
    secure_zookeeper: SecureZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    with cluster(secure_zookeeper.tls_hosts, zk_root, **by_tls(secure_zookeeper, tmp_path)) as pair:
        a = pair["a"]
        written = json.loads(a.config.read_text())
        del written["store"]["tls"]
        a.config.write_text(json.dumps(written))
        done = pair.ctl(a, "format")
        assert (done.returncode, "write store.tls" in done.stderr) == (6, True), done.stderr
        assert "Traceback" not in done.stderr
        a.start_redis()
        a.start()
        eventually(lambda: "write store.tls" in a.status().get("store", {}).get("trouble", ""), 15, f"why\n{a.log}")
        assert "Traceback" not in a.log
