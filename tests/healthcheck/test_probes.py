"""tcp, http and command, against real servers and real processes."""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from config.models.health import PROBE_KINDS, HealthSettings, ProbeSettings
from failover.core.values import Health
from failover.ports.service import Finding, Probe
from failover.support.launcher import Launcher
from healthcheck import PROBES, ProbeContext
from healthcheck.command import CommandProbe
from healthcheck.http import HttpProbe
from healthcheck.tcp import TcpProbe, is_itself
from healthcheck.timing import Timing
from tests.servers.ports import free_port
from tests.servers.wait import eventually_async
from tests.support.hooks import lives, number_in, with_launcher
from tests.support.serving import serving

TIMING = Timing(timeout_s=2.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tcp_is_healthy_when_a_connection_can_be_made(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        finding = asyncio.run(TcpProbe(host, server.getsockname()[1], TIMING).check())
    assert finding == Finding(Health.HEALTHY, "connected")


def test_tcp_over_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert asyncio.run(TcpProbe("::1", server.getsockname()[1], TIMING).check()).health is Health.HEALTHY


def test_tcp_is_not_responding_when_it_is_refused() -> None:
    finding = asyncio.run(TcpProbe("127.0.0.1", free_port(), TIMING).check())
    assert finding.health is Health.NOT_RESPONDING
    assert "refused" in finding.detail.lower()


def test_tcp_is_not_responding_for_a_name_that_nobody_bears() -> None:
    assert asyncio.run(TcpProbe("no.such.host.invalid", 80, TIMING).check()).health is Health.NOT_RESPONDING


def test_tcp_does_not_take_a_connection_to_itself_for_an_answer() -> None:
    address = ("127.0.0.1", free_port())
    with socket.socket() as alone:
        alone.bind(address)
        alone.connect(address)
        assert is_itself(alone)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as other:
        assert not is_itself(other)


def http_finding(answer: bytes, statuses: tuple[int, ...] = (200,)) -> Finding:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def story() -> Finding:
        async with serving(serve) as port:
            return await HttpProbe(f"http://127.0.0.1:{port}/health", statuses, TIMING).check()

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "statuses", "finding"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", (200,), Finding(Health.HEALTHY, "status 200")),
        (b"HTTP/1.1 204 OK\r\n\r\n", (200, 204), Finding(Health.HEALTHY, "status 204")),
        (b"HTTP/1.1 503 Busy\r\n\r\n", (200,), Finding(Health.UNHEALTHY, "status 503")),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", (200,), Finding(Health.UNHEALTHY, "status 301")),
    ],
)
def test_http_tells_what_it_was_told_by_the_status(answer: bytes, statuses: tuple[int, ...], finding: Finding) -> None:
    assert http_finding(answer, statuses) == finding


def test_http_is_not_responding_when_the_answer_is_no_http() -> None:
    assert http_finding(b"220 mail.example.org ESMTP\r\n\r\n").health is Health.NOT_RESPONDING


def test_http_is_not_responding_when_it_is_refused() -> None:
    probe = HttpProbe(f"http://127.0.0.1:{free_port()}/", (200,), TIMING)
    assert asyncio.run(probe.check()).health is Health.NOT_RESPONDING


def test_https_is_not_responding_where_no_tls_is_spoken() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def story() -> Finding:
        async with serving(serve) as port:
            return await HttpProbe(f"https://127.0.0.1:{port}/", (200,), TIMING).check()

    finding = asyncio.run(story())
    assert finding.health is Health.NOT_RESPONDING
    assert "TLS" in finding.detail


def command_probe(launcher: Launcher, line: str, timeout_s: float = 2.0) -> CommandProbe:
    return CommandProbe(("/bin/sh", "-c", line), launcher, "orders-db", "db1", Timing(timeout_s=timeout_s))


@pytest.mark.parametrize(
    ("line", "health"),
    [
        ("exit 0", Health.HEALTHY),
        ("exit 1", Health.UNHEALTHY),
        ("exit 2", Health.NOT_RESPONDING),
        ("kill -9 $$", Health.NOT_RESPONDING),
        ('[ "$FAILOVER_SERVICE $FAILOVER_NODE" = "orders-db db1" ]', Health.HEALTHY),
    ],
)
def test_a_commands_exit_code_is_the_service_s_health(tmp_path: Path, line: str, health: Health) -> None:
    assert with_launcher(tmp_path, lambda launcher: command_probe(launcher, line).check()).health is health


def test_a_command_that_is_cancelled_is_ended(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> int:
        check = asyncio.create_task(command_probe(launcher, f"echo $$ > {tmp_path}/pid; sleep 60", 30.0).check())
        pid = await eventually_async(lambda: number_in(tmp_path / "pid"), 5.0, "the command runs")
        check.cancel()
        await asyncio.wait([check])
        return pid

    assert not lives(with_launcher(tmp_path, story))


def test_a_tcp_probe_costs_little(tmp_path: Path) -> None:
    """One a second must leave the controller idle: less than half a millisecond each, with room."""

    async def story(probe: TcpProbe) -> float:
        await probe.check()
        began = time.process_time()
        for _ in range(100):
            await probe.check()
        return (time.process_time() - began) / 100

    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        assert asyncio.run(story(TcpProbe("127.0.0.1", server.getsockname()[1], TIMING))) < 0.0025


def test_every_kind_that_can_be_configured_can_be_built() -> None:
    assert set(PROBES) == set(PROBE_KINDS)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ({"kind": "tcp", "port": 5432}, "tcp 127.0.0.1:5432"),
        ({"kind": "http", "url": "http://127.0.0.1:8080/health"}, "http http://127.0.0.1:8080/health"),
        ({"kind": "command", "run": "/usr/bin/probe"}, "command /usr/bin/probe"),
        ({"kind": "command", "run": "pg_isready -q"}, "command pg_isready -q"),
        ({"kind": "process", "pidfile": "/run/db.pid"}, "process /run/db.pid"),
        ({"kind": "process", "exe": "/usr/bin/db"}, "process /usr/bin/db"),
        ({"kind": "process", "cmdline": "^db "}, "process ^db "),
        ({"kind": "process", "port": 5432}, "process port 5432"),
        ({"kind": "resource", "pidfile": "/run/db.pid", "memory": "80%"}, "resource /run/db.pid"),
        ({"kind": "resource", "disk": {"path": "/var", "free": "5%"}, "load": 2}, "resource /var, load"),
    ],
)
def test_a_probe_is_built_as_it_is_configured(tmp_path: Path, written: dict[str, object], name: str) -> None:
    timing = {"every": "2s", "timeout": "300ms", "rise": 2, "fall": 3, "critical": False, "grace": "30s"}
    settings: ProbeSettings = TypeAdapter(HealthSettings).validate_python({**written, **timing})

    async def story(launcher: Launcher) -> Probe:
        return PROBES[str(written["kind"])](settings, ProbeContext(launcher, "orders-db", "db1"))

    probe = with_launcher(tmp_path, story)
    assert (probe.name, probe.every_s, probe.timeout_s, probe.rise, probe.fall) == (name, 2.0, 0.3, 2, 3)
    assert (probe.critical, probe.grace_s) == (False, 30.0)
