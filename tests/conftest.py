"""Fixtures for every test: real servers, links to them, and the rule to leave nothing behind."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import authority
from tests.servers import redis as redis_server
from tests.servers import zookeeper as zookeeper_server
from tests.servers.ensemble import Ensemble
from tests.servers.guardian import guardian
from tests.servers.left_behind import LeftBehind
from tests.servers.proxy import Relay
from tests.servers.redis import Redis
from tests.servers.secure_zookeeper import SecureZooKeeper
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

# How long an example takes says nothing about the code: the machine may be busy.
settings.register_profile("failoverd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("failoverd")

_LEFT_BEHIND = pytest.StashKey[LeftBehind]()
_LONGEST = ("tests/lab/", "tests/docs/test_tutorial.py", "tests/bench/", "tests/acceptance/", "tests/demo/")
_MARKS = {"zookeeper": {"zookeeper", "secure_zookeeper", "ensemble"}, "redis": {"redis_pair"}}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite` is here, not beside the transcripts: pytest takes options from the outermost only."""
    parser.addoption("--rewrite", action="store_true", help="rewrite the transcripts with what the core says now")


def pytest_configure(config: pytest.Config) -> None:
    """From here on, whatever the tests start ends with them."""
    guardian()
    config.stash[_LEFT_BEHIND] = LeftBehind()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server by the fixtures it asks for: `-m 'not zookeeper'` leaves it out."""
    for item in items:
        asked_for = set(getattr(item, "fixturenames", ()))
        for mark, fixtures in _MARKS.items():
            if asked_for & fixtures:
                item.add_marker(mark)
    items.sort(key=_ends_late)


def _ends_late(item: pytest.Item) -> int:
    """Files of tests that take minutes begin first: one that began last would run on alone, beside idle processors."""
    return next((place for place, words in enumerate(_LONGEST) if words in item.nodeid), len(_LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a test has measured, by `record_property("figure", …)`, is read by people: it is told in every run."""
    passed = terminalreporter.stats.get("passed", ())
    figures = [words for report in passed for name, words in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for words in figures:
            terminalreporter.line(str(words))


@pytest.fixture(scope="module", autouse=True)
def no_orphan_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the module whose tests left a process behind that is no child of ours any more."""
    rule = request.config.stash[_LEFT_BEHIND]
    before = rule.descendants()
    yield
    _fail_for(rule.end_those_not_in(before, rule.descendants))


@pytest.fixture(autouse=True)
def no_child_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that left a child process behind."""
    rule = request.config.stash[_LEFT_BEHIND]
    before = rule.children()
    yield
    _fail_for(rule.end_those_not_in(before, rule.children))


def _fail_for(left: list[str]) -> None:
    if left:
        pytest.fail("processes left behind (ended now):\n" + "\n".join(left), pytrace=False)


def _skip_for(missing: list[str], server: str) -> None:
    if missing:
        pytest.skip(
            f"no {server} to test against, missing: {', '.join(missing)}; scripts/install-test-needs installs it"
        )


@pytest.fixture(scope="session")
def zookeeper(pytestconfig: pytest.Config) -> Iterator[ZooKeeper]:
    """One standalone ZooKeeper for all tests, which keep apart by `zk_root`.

    Ticks of 200 ms, sessions of 400 ms to 40 s. A test that stops or freezes it makes its own.
    """
    _skip_for(zookeeper_server.missing(), "ZooKeeper")
    with ZooKeeper() as server:
        pytestconfig.stash[_LEFT_BEHIND].allow(server)
        yield server


@pytest.fixture(scope="session")
def secure_zookeeper(pytestconfig: pytest.Config) -> Iterator[SecureZooKeeper]:
    """As `zookeeper`, by TLS too."""
    _skip_for([*zookeeper_server.missing(), *authority.missing()], "ZooKeeper with TLS")
    with SecureZooKeeper() as server:
        pytestconfig.stash[_LEFT_BEHIND].allow(server)
        yield server


@pytest.fixture
def ensemble() -> Iterator[Ensemble]:
    """Three ZooKeepers of one's own, whose links to each other can be cut."""
    _skip_for(zookeeper_server.missing(), "ZooKeeper")
    with Ensemble() as servers:
        yield servers


@pytest.fixture
def zk_root() -> str:
    """A root path that no other test uses; nothing is there yet."""
    return f"/t-{secrets.token_hex(4)}"


@pytest.fixture
def relay_to() -> Iterator[Callable[[int], Relay]]:
    """Makes a relay to a loopback port, as many as wanted."""
    with ExitStack() as relays:

        def made(target_port: int) -> Relay:
            relay = Relay(target_port)
            relays.callback(relay.close)
            return relay

        yield made


@pytest.fixture
def relay(zookeeper: ZooKeeper, relay_to: Callable[[int], Relay]) -> Relay:
    """A relay to the `zookeeper`, to cut one client off and leave the others alone."""
    return relay_to(zookeeper.port)


@pytest.fixture
def redis_pair() -> Iterator[tuple[Redis, Redis]]:
    """A primary and a replica that follows it."""
    _skip_for(redis_server.missing(), "Redis")
    with Redis() as primary, Redis() as replica:
        replica.command("REPLICAOF", "127.0.0.1", str(primary.port))
        eventually(
            lambda: replica.info("replication").get("master_link_status") == "up",
            10.0,
            "the replica follows the primary",
        )
        yield primary, replica
