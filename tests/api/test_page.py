"""The status page: whole without JavaScript, nothing from other hosts, everything escaped."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from failover.core.values import Breadcrumb, Control, Health, Lock, Node, Pause, Role, Switchover
from failover.ports.controller import HistoryLine
from tests.api.fakes import DB1, DB2, InMemoryController, ServedController, active_snapshot, member, standby_snapshot

NASTY = "</td><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"


class Seen(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(api: ServedController) -> httpx.Response:
    return httpx.get(api.url + "/", trust_env=False)


def main_of(api: ServedController) -> str:
    html = page(api).text
    return html[html.index("<main>") : html.index("</main>")]


def test_the_page_says_who_is_active_and_since_when(api: ServedController) -> None:
    told = main_of(api)
    assert "db1 is active" in told
    assert "since 2024-05-01T03:00:00Z" in told
    assert "under epoch 7" in told
    assert "Lock: proven" in told


def test_the_page_asks_no_other_host_and_only_its_own_script_may_run(api: ServedController) -> None:
    for path in ("/", "/docs"):
        answer = httpx.get(api.url + path, trust_env=False)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for _, attributes in Seen(answer.text).tags:
            for name in ("src", "href"):
                link = attributes.get(name) or "/"
                assert link.startswith(("/", "data:"))
                assert not link.startswith("//")


def test_the_page_refreshes_without_javascript(api: ServedController) -> None:
    tags = Seen(page(api).text).tags
    assert ("noscript", {}) in tags
    assert ("meta", {"http-equiv": "refresh", "content": "5"}) in tags
    assert any(tag == "link" and attributes.get("rel") == "icon" for tag, attributes in tags)


def test_a_stale_controllers_page_says_only_that(api: ServedController, controller: InMemoryController) -> None:
    """S11."""
    controller.now = 1060.0
    answer = page(api)
    assert answer.status_code == 503
    assert "cannot say" in answer.text
    assert "60.0 s" in answer.text
    assert "active" not in main_of(api)
    assert "db1" not in main_of(api)


def test_everything_from_elsewhere_is_escaped(api: ServedController, controller: InMemoryController) -> None:
    node = Node(NASTY, "m")
    controller.lines = [{"at": NASTY, "node": NASTY, "from": NASTY, "to": NASTY, "epoch": NASTY, "why": NASTY}]
    ill = member(DB1, Role.ACTIVE, health=Health.UNHEALTHY, why=NASTY)
    controller.shown = standby_snapshot(
        service=NASTY,
        node=node,
        why=NASTY,
        blocked=NASTY,
        version=NASTY,
        store_kind=NASTY,
        started_at=NASTY,
        health_detail=NASTY,
        members=(member(node, why=NASTY), ill),
        breadcrumb=Breadcrumb(node, 3, "b"),
        control=Control(
            1, Pause(NASTY, NASTY, NASTY), frozenset({NASTY}), Switchover("i", NASTY, NASTY, 1, NASTY, NASTY)
        ),
        recent=(HistoryLine(NASTY, NASTY, NASTY, Role.OUT, Role.STANDBY, 1, 1, NASTY),),
    )
    for holder in (Lock(1, "s", NASTY), Lock(1, "s1", "db1"), None):
        controller.shown = replace(controller.shown, holder=holder)
        answer = page(api)
        assert answer.status_code == 200
        tags = Seen(answer.text).tags
        assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
        assert not any(tag == "img" for tag, _ in tags)
        assert "alert(1)" in "".join(Seen(answer.text).words)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"control": Control(1, Pause("dora", "upgrade", "3 o'clock"))}, ["Paused", "upgrade", "dora"]),
        ({"blocked": "fence db1 by hand"}, ["What is wrong", "fence db1 by hand"]),
        ({"proven_s": 900.0}, ["NOT PROVEN", "unproven"]),
        ({"control": Control(1, switchover=Switchover("i", "db1", "db2", 7, "kernel", "dora"))}, ["Switchover", "db2"]),
        ({"members": (member(DB1, Role.ACTIVE), member(DB2, position=17))}, ["position 17"]),
    ],
)
def test_the_page_shows_what_matters_at_night(
    api: ServedController, controller: InMemoryController, shown: dict[str, object], words: list[str]
) -> None:
    controller.shown = active_snapshot(**shown)
    told = main_of(api)
    for word in words:
        assert word in told


def test_the_page_says_that_nobody_is_active_and_what_to_do(
    api: ServedController, controller: InMemoryController
) -> None:
    ill = member(DB2, Role.OUT, health=Health.UNHEALTHY)
    controller.shown = standby_snapshot(holder=None, members=(ill,), standby_stopped=False)
    told = main_of(api)
    assert "Nobody is active" in told
    assert "no healthy candidate" in told


def test_a_takeover_under_way_is_told_with_its_role(api: ServedController, controller: InMemoryController) -> None:
    members = (member(DB1, Role.OUT), member(DB2, Role.FENCING))
    controller.shown = standby_snapshot(role=Role.FENCING, holder=Lock(8, "s2", "db2"), lock_held=True, members=members)
    assert "db2 is fencing" in main_of(api)


def test_with_the_store_away_a_standby_does_not_say_who_is_active(
    api: ServedController, controller: InMemoryController
) -> None:
    """S11."""
    controller.shown = standby_snapshot(connected=False)
    assert "who is active is not known here" in main_of(api)


def test_the_pages_are_part_of_the_package() -> None:
    import failover.api

    folder = Path(failover.api.__file__).parent / "pages"
    assert {path.name for path in folder.iterdir()} == {"status.css", "status.js", "docs.html"}


def test_an_impaired_node_says_so(api: ServedController, controller: InMemoryController) -> None:
    controller.shown = active_snapshot(members=(member(DB1, Role.ACTIVE), member(DB2, impaired=1)))
    told = main_of(api)
    assert "impaired 1" in told
    assert "1 probe that is not critical fails" in told
