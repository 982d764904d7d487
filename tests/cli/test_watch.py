"""`failoverctl watch`: what changes, from every controller, for as long as one likes to look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from failover.api.events import MOST_STREAMS, QUIET_S
from failover.cli.watching.screens import head, picture, problems, row
from failover.cli.watching.sight import QUIET_FOR_S, Seen, Sight, View
from failover.cli.watching.streams import _NotHeard, events_of
from failover.core.values import Role
from failover.support.tls import TlsFiles
from tests.api.fakes import DB1, DB2, InMemoryController, ServedController, active_snapshot, member, standby_snapshot
from tests.cli.conftest import Run, run_command, write_config
from tests.cli.watching import Watching
from tests.servers.authority import Authority, missing
from tests.servers.wait import eventually

CLUSTER: View = {
    "service": "orders-db",
    "seen_by": "db1",
    "active": {"node": "db1", "epoch": 7, "since": ""},
    "lock": {"held": True, "proven": True, "proven_age_s": 0.1, "holder": None},
    "members": [{"node": "db1", "role": "active"}, {"node": "db2", "role": "standby"}],
    "pause": None,
    "switchover": None,
    "store": {"connected": True},
    "to_do": [{"problem": "db2 is ill", "next": "mend it"}],
}
STATUS: View = {"role": "active", "epoch": 7, "health": "healthy", "why": "promoted", "age_s": 0.1}


@pytest.fixture
def pair(
    controller: InMemoryController, tmp_path: Path
) -> Iterator[tuple[InMemoryController, InMemoryController, Path]]:
    """Two controllers in memory that know each other's address, and a file that leads to the first."""
    second = InMemoryController(shown=standby_snapshot())
    folders = [tmp_path / "orders-db", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    with ServedController(controller, folders[0]) as one, ServedController(second, folders[1]) as other:
        addresses = [served.url.removeprefix("http://") for served in (one, other)]
        members = (
            member(DB1, Role.ACTIVE, epoch=7, address=addresses[0]),
            member(DB2, address=addresses[1]),
        )
        controller.shown = active_snapshot(members=members)
        second.shown = standby_snapshot(members=members)
        yield controller, second, write_config(tmp_path, tmp_path, addresses[0])


def test_every_change_on_every_node_is_one_line_and_an_interrupt_is_a_good_end(
    pair: tuple[InMemoryController, InMemoryController, Path],
) -> None:
    first, second, config = pair
    with Watching(config, "--json") as watching:
        watching.tells("db1", "status", "active")
        told = watching.tells("db2", "status", "standby")
        first.shown = replace(first.shown, role=Role.DEMOTING, why="an order")
        told = watching.tells("db1", "status", "demoting", told)
        second.shown = replace(second.shown, role=Role.ACTIVE, epoch=8)
        told = watching.tells("db2", "status", "active", told)
        first.shown, first.now = replace(first.shown, epoch=9), 1100.0
        watching.tells("db1", "stale", after=told)
        code, errors = watching.interrupt()
        last = [one for one in watching.news if one["node"] == "db1"][-1]
    assert (code, errors) == (0, "")
    assert "status" not in last, "S11: nothing is told of a stale controller"
    assert {one["event"] for one in watching.news} == {"found", "status", "stale"}


@pytest.mark.skipif(bool(missing()), reason="no openssl")
def test_every_controller_of_a_service_that_speaks_https_is_heard_by_https(
    controller: InMemoryController, tmp_path: Path
) -> None:
    second, authority = InMemoryController(shown=standby_snapshot()), Authority(tmp_path / "ca")
    cert, key = authority.issue("db1")
    files = TlsFiles("", str(cert), str(key))
    (tmp_path / "orders-db").mkdir()
    (tmp_path / "other").mkdir()
    with (
        ServedController(controller, tmp_path / "orders-db", tls=files) as one,
        ServedController(second, tmp_path / "other", tls=files) as other,
    ):
        addresses = [served.url.removeprefix("https://") for served in (one, other)]
        members = (member(DB1, Role.ACTIVE, epoch=7, address=addresses[0]), member(DB2, address=addresses[1]))
        controller.shown = active_snapshot(members=members)
        config = tmp_path / "orders-db.yaml"
        tls = f"{{cert: {cert}, key: {key}, ca: {authority.path}}}"
        api = f"{{listen: '{addresses[0]}', tls: {tls}}}"
        config.write_text(f"service: orders-db\nstate_dir: {tmp_path}\napi: {api}\n")
        with Watching(config, "--json") as by_socket:
            by_socket.tells("db2", "status", "standby")
            assert by_socket.interrupt() == (0, "")
        config.write_text(f"service: orders-db\nstate_dir: {tmp_path}/none\napi: {api}\n")
        with Watching(config, "--json") as by_https:
            by_https.tells("db1", "status", "active")
            by_https.tells("db2", "status", "standby")
            assert by_https.interrupt() == (0, "")
        stranger = Authority(tmp_path / "stranger").path
        refused = run_command("watch", "--config", config, "--ca", stranger)
        assert (refused.code, "certificate verify failed" in refused.err) == (11, True)


def test_what_changes_with_time_alone_is_no_news() -> None:
    sight = Sight(CLUSTER, 0.0)
    sight.add("db1", "here")
    assert sight.heard("db1", "status", STATUS, 1.0)
    assert not sight.heard("db1", "status", {**STATUS, "age_s": 0.7}, 2.0)
    assert sight.heard("db1", "status", {**STATUS, "role": "standby"}, 3.0)
    assert sight.heard("db1", "gone", {"why": "does not answer"}, 4.0)
    assert not sight.heard("db1", "gone", {"why": "does not answer"}, 5.0)
    assert sight.heard("db1", "status", {**STATUS, "role": "standby"}, 6.0), "it is back"


def test_who_has_not_been_heard_for_too_long_is_not_called_active_s11() -> None:
    sight = Sight(CLUSTER, 0.0)
    sight.add("db1", "here")
    sight.heard("db1", "status", STATUS, 0.0)
    seen = sight.nodes["db1"]
    assert QUIET_FOR_S > QUIET_S, "a controller that has nothing new to say is not called silent"
    assert "active" in row(seen, sight, QUIET_FOR_S)
    late_s = QUIET_FOR_S + 1
    assert row(seen, sight, late_s)[:2] == ("db1", "?")
    assert "says nothing, last heard 8 s ago" in str(row(seen, sight, late_s)[-1])
    assert "NO CONTROLLER ANSWERS" in next(head(sight, late_s))
    assert not list(problems(sight, late_s))


def test_a_node_that_only_we_cannot_reach_is_told_as_the_others_see_it() -> None:
    sight = Sight(CLUSTER, 0.0)
    gone = Seen("db2", why="does not answer: no connection")
    assert row(gone, sight, 1.0)[-1] == "does not answer: no connection (db1 sees it as standby)"
    assert row(Seen("db9", why="does not answer"), sight, 1.0)[-1] == "does not answer (db1 does not see it either)"


def test_what_comes_from_elsewhere_cannot_steer_the_terminal() -> None:
    from rich.console import Console

    sight = Sight({**CLUSTER, "to_do": [{"problem": "\x1b[2J", "next": "[bold]x"}]}, 0.0)
    sight.add("db1", "here")
    line = {"at": "2024-05-01T03:00:00.123Z", "node": "db1", "from": "a", "to": "b", "why": "\x1b]0;title\x07"}
    sight.heard("db1", "status", {**STATUS, "why": "\x1b[31mred", "recent": [line]}, 0.0)
    console = Console(markup=False, width=200, color_system=None, force_terminal=False)
    with console.capture() as shown:
        console.print(picture(sight, 0.0))
    assert "\x1b" not in shown.get()
    assert "\x07" not in shown.get()
    assert "[bold]x" in shown.get()
    assert "03:00:00.123  db1  a -> b" in shown.get()


def test_a_terminal_gets_a_picture_that_changes_and_stays_at_the_end(
    pair: tuple[InMemoryController, InMemoryController, Path],
) -> None:
    first, _, config = pair
    with Watching(config, terminal=True) as watching:
        eventually(lambda: "db2" in watching.said and "standby" in watching.said, 20.0, "both nodes are shown")
        first.shown = replace(first.shown, role=Role.DEMOTING, why="an order was given")
        eventually(lambda: "an order was given" in watching.said, 20.0, "the change is shown")
        code, errors = watching.interrupt()
    assert (code, errors) == (0, "")
    assert "orders-db: " in watching.said


def test_without_a_terminal_each_piece_of_news_is_a_line_in_words(config: Path, served: ServedController) -> None:
    assert served
    with Watching(config) as watching:
        eventually(lambda: "db1  active epoch=7 healthy: promoted" in watching.said, 20.0, "db1 is told in words")
        assert watching.interrupt()[0] == 0


def test_a_controller_that_is_not_there_is_said_at_once(tmp_path: Path, ctl: Run) -> None:
    ran = ctl("watch", "--config", write_config(tmp_path, tmp_path / "nothing", "127.0.0.1:9"))
    assert ran.code == 11
    assert "cannot be reached" in ran.err


def test_a_controller_without_a_stream_to_give_is_polled(config: Path, served: ServedController) -> None:
    from contextlib import ExitStack

    import httpx

    with httpx.Client(base_url=served.url, trust_env=False) as ask, ExitStack() as streams:
        for _ in range(MOST_STREAMS):
            stream = streams.enter_context(ask.stream("GET", "/v1/events"))
            lines = stream.iter_lines()
            streams.callback(lines.close)  # type: ignore[attr-defined]
            next(lines)
        with Watching(config, "--json") as watching:
            watching.tells("db1", "status", "active")
            assert watching.interrupt()[0] == 0


def test_what_is_not_an_event_stream_is_not_taken_for_one() -> None:
    async def lines(*texts: str) -> AsyncIterator[str]:
        for text in texts:
            yield text

    async def events(*texts: str) -> list[tuple[str, View]]:
        return [one async for one in events_of(lines(*texts))]

    good = asyncio.run(events("event: status", 'data: {"role": "active"}', "", "event: other", "data: {}", ": quiet"))
    assert good == [("status", {"role": "active"})]
    with pytest.raises(_NotHeard, match="no controller"):
        asyncio.run(events("event: status", "data: <html>"))
