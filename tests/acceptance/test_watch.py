"""`failoverctl watch` beside real daemons: a failover, and a controller that goes and comes back."""

import pytest

from tests.acceptance.cluster import cluster
from tests.cli.watching import Watching
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


def reasons(watching: Watching) -> set[str]:
    """Of the pauses told by b: other news of b, that a's session has ended say, may come before or after."""
    told = [one["status"].get("pause") for one in watching.news if one["node"] == "b" and "status" in one]
    return {pause["reason"] for pause in told if pause}


def test_a_failover_and_the_end_and_return_of_the_asked_controller_are_told(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        with Watching(a.config, "--json") as watching:
            watching.tells("a", "status", "active")
            told = watching.tells("b", "status", "standby")
            a.kill_redis()
            told = watching.tells("b", "status", "active", told)
            told = watching.tells("a", "status", "standby", told)

            assert a.process is not None
            a.process.kill()
            told = watching.tells("a", "gone", after=told)
            assert "does not answer" in watching.news[told - 1]["why"] or "ended" in watching.news[told - 1]["why"]
            b.post("/v1/pause", {"reason": "a is away"})
            eventually(lambda: "a is away" in reasons(watching), 20, f"b tells of the pause\n{watching.said[-3000:]}")

            a.start()
            watching.tells("a", "status", after=told)
            assert watching.interrupt() == (0, "")


@pytest.mark.long
def test_a_node_that_comes_later_is_found_by_itself(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a")
        with Watching(pair["a"].config, "--json") as watching:
            told = watching.tells("a", "status", "active")
            pair.start("b")
            told = watching.tells("b", "found", after=told)
            watching.tells("b", "status", "standby", told)
            assert watching.interrupt()[0] == 0
