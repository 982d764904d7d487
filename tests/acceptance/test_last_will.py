"""`failoverctl last-will` on real processes: the controller will not come back, and the peer takes over at once.

Each test is systemd's `OnFailure=`. A peer that takes over does so because the session was closed, as the command says;
left to itself it would outlive what a test is willing to wait.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from failover.cli.exit_codes import ExitCode
from tests.acceptance.cluster import Cluster, Host, cluster, is_over
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

SESSION = "39s"  # as long as the server grants


@contextmanager
def pair_of(zookeeper: ZooKeeper, root: str, **options: object) -> Iterator[tuple[Cluster, Host, Host]]:
    """Two hosts, a active and b standby."""
    with cluster(zookeeper.hosts, root, session_timeout=SESSION, **options) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, f"b is standby\n{pair.logs()}")
        yield pair, a, b


def kill(host: Host) -> None:
    """SIGKILL to its controller."""
    assert host.process is not None
    host.process.kill()


def last_will(pair: Cluster, host: Host) -> tuple[int, dict[str, Any], str]:
    """Its exit code, its answer, and what it said on the way."""
    done = pair.ctl(host, "last-will", "--json")
    assert "Traceback" not in done.stderr, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, told, done.stderr


def test_the_active_is_demoted_and_handed_over_and_its_peer_need_neither_wait_nor_fence(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        kill(a)
        code, told, said = last_will(pair, a)
        eventually(b.active, 10, f"b takes over\n{said}\n{pair.logs()}")
        assert code == ExitCode.OK, (told, said)
        assert (told["service"], told["session"], told["breadcrumb"]) == ("demoted", "closed", "clean")
        eventually(lambda: a.redis_role() == "slave", 5, "a was demoted")
        assert not pair.fenced()
        a.start()
        eventually(lambda: a.role() == "standby", 15, f"a comes back as a standby\n{pair.logs()}")
        assert b.active()


def test_a_demote_that_is_not_done_leaves_the_breadcrumb_so_that_the_peer_fences_s3(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        kill(a)
        (a.folder / "demote-fails").touch()
        code, told, _ = last_will(pair, a)
        assert code == ExitCode.MAY_BE_ACTIVE, told
        assert (told["service"], told["session"], told["breadcrumb"]) == ("doubtful", "closed", "as_it_was")
        eventually(b.active, 10, f"b takes over\n{pair.logs()}")
        assert pair.fenced()


def test_a_live_controller_is_left_alone_s9(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, _):
        epoch, session = a.status()["epoch"], a.session()
        done = pair.ctl(a, "last-will")
        assert done.returncode == ExitCode.CONTROLLER_RUNS
        assert f"another controller (pid {a.process.pid if a.process else 0}) runs" in done.stderr
        assert (a.status()["epoch"], a.session(), a.redis_role()) == (epoch, session, "master")


def test_a_paused_service_is_left_as_it_is(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        assert a.post("/v1/pause", {"reason": "kernel update"}).status_code == 200
        epoch, session = a.status()["epoch"], a.session()
        kill(a)
        code, told, _ = last_will(pair, a)
        assert code == ExitCode.PAUSED, told
        assert (told["service"], told["session"]) == ("paused", "left")
        assert a.redis_role() == "master"
        a.start()
        eventually(a.active, 15, f"a carries on\n{pair.logs()}")
        assert (a.status()["epoch"], a.session()) == (epoch, session)
        assert b.role() == "standby"


def test_a_standby_is_not_demoted_and_its_session_is_closed(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        kill(b)
        (b.folder / "demote-fails").touch()
        code, told, said = last_will(pair, b)
        assert code == ExitCode.OK, (told, said)
        assert (told["service"], told["session"], told["breadcrumb"]) == ("standby", "closed", "not_ours")
        members = lambda: [one["node"] for one in a.get("/v1/cluster").json()["members"]]  # type: ignore[union-attr]  # noqa: E731
        eventually(lambda: members() == ["a"], 5, "the member record of b is gone")
        assert a.active()


def test_a_forged_session_file_still_leads_to_a_demote_and_the_output_says_what_was_not_done(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        kill(a)
        (a.folder / "state" / pair.service / "session.json").chmod(0o644)
        done = pair.ctl(a, "last-will")
        assert done.returncode == ExitCode.NOT_RELEASED, done.stderr
        assert "the service was demoted" in done.stdout
        assert "no session was saved that could be closed" in done.stdout
        assert "the breadcrumb is left as it was" in done.stdout
        assert "others may read or write it (mode 0644" in done.stderr
        assert a.redis_role() == "slave"
        assert b.role() == "standby", "it waits for the session's time-out"


def test_with_the_store_away_the_service_is_demoted_all_the_same(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, names=("a",), session_timeout=SESSION) as alone:
        alone.start("a")
        a = alone["a"]
        kill(a)
        text = a.config.read_text()
        a.config.write_text(text.replace(zookeeper.hosts, "127.0.0.1:1"))
        began = time.monotonic()
        code, told, said = last_will(alone, a)
        assert code == ExitCode.STORE_UNREACHABLE, told
        assert (told["service"], told["session"]) == ("demoted", "away")
        assert "whether the service is paused is not known" in said
        assert time.monotonic() - began < 25, "bounded"
        assert a.redis_role() == "slave"


def test_a_hook_that_outlived_controller_and_launcher_is_ended_first_s4(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        (b.folder / "promote-hangs").touch()
        a.kill_redis()
        hook = eventually(b.hanging, 10, f"the promote of b runs\n{pair.logs()}")
        b.kill_with_launcher()
        assert not is_over(hook), "what the hook has started outlives them"
        code, told, said = last_will(pair, b)
        assert is_over(hook)
        assert code == ExitCode.OK, (told, said)
        assert told["hooks_ended"]
        assert b.redis_role() == "slave"
