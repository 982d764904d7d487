"""The process probe: finds the service's process by itself, and hears of its end at once."""

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from failover.core.values import Health
from failover.ports.service import Finding
from healthcheck.monitor import Monitor
from healthcheck.process import ProcessProbe
from healthcheck.search import PidfileSearch, Search, by_command_line, by_port, by_program
from healthcheck.timing import Timing
from tests.healthcheck.services import Services
from tests.healthcheck.stories import Told
from tests.servers.ports import free_port
from tests.servers.wait import eventually, eventually_async

SLOW = Timing(every_s=3600.0, timeout_s=10.0)
QUICK = Timing(every_s=0.05, timeout_s=10.0, fall=1)


def found_by(search: Search) -> Finding:
    async def story() -> Finding:
        probe = ProcessProbe(search, SLOW)
        try:
            return await probe.check()
        finally:
            probe.close()

    return asyncio.run(story())


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def searches(services: Services) -> list[Search]:
    return [
        PidfileSearch(services.pidfile),
        by_program(services.program),
        by_command_line(f"^{services.program} 6.$"),
    ]


def test_it_is_found_by_pid_file_program_and_command_line(services: Services) -> None:
    pid = services.start()
    eventually(lambda: os.readlink(f"/proc/{pid}/exe") == str(services.program), 5.0, "it is executed")
    for search in searches(services):
        assert found_by(search) == Finding(Health.HEALTHY, f"pid {pid}", there=True), search.words


def test_a_program_is_found_through_a_link(services: Services) -> None:
    services.start()
    link = services.folder / "link"
    link.symlink_to(services.program)
    assert found_by(by_program(link)).health is Health.HEALTHY


def test_it_is_found_by_the_port_it_listens_on(services: Services) -> None:
    port = free_port()
    pid = services.start(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    eventually(lambda: accepts(port), 10.0, "it listens")
    assert found_by(by_port(port)) == Finding(Health.HEALTHY, f"pid {pid}", there=True)
    assert found_by(by_port(free_port())).health is Health.NOT_RESPONDING


def test_what_is_not_there_does_not_respond(services: Services) -> None:
    for search in searches(services):
        assert found_by(search) == Finding(Health.NOT_RESPONDING, "no such process", absent=True)


@pytest.mark.parametrize("text", ["", "\n", "abc", "-1", "0", "4194305", "99999999999999999999"])
def test_a_pid_file_that_names_nobody_is_no_process(services: Services, text: str) -> None:
    services.pidfile.write_text(text)
    assert found_by(PidfileSearch(services.pidfile)).health is Health.NOT_RESPONDING


def test_workers_are_not_taken_for_the_service(services: Services) -> None:
    """The children run the same program; the service is their parent."""
    line = "while :; do sh -c 'sleep 60 # a worker of serviced' & wait; done # serviced"
    pid = services.start("sh", "-c", line)
    eventually(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text(), 5.0, "it has a worker")
    finding = found_by(by_command_line("serviced$"))
    assert finding == Finding(Health.HEALTHY, f"pid {pid}", there=True)


def test_a_stopped_process_does_not_respond(services: Services) -> None:
    pid = services.start()
    os.kill(pid, signal.SIGSTOP)
    finding = eventually(
        lambda: (found := found_by(PidfileSearch(services.pidfile))).health.bad and found, 5.0, "it is stopped"
    )
    assert finding == Finding(Health.NOT_RESPONDING, f"pid {pid} is stopped", there=True)


def test_a_zombie_counts_as_gone_before_its_parent_has_waited_for_it(services: Services) -> None:
    os.kill(services.start(), signal.SIGKILL)
    finding = eventually(
        lambda: (found := found_by(PidfileSearch(services.pidfile))).absent and found, 5.0, "it has ended"
    )
    assert finding == Finding(Health.NOT_RESPONDING, "no such process", absent=True)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_its_end_is_told_at_once(services: Services, which: int) -> None:
    """By an event, not by a poll: the next check would be an hour away."""

    async def story() -> float:
        told = Told()
        monitor = Monitor([ProcessProbe(searches(services)[which], SLOW)], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        began = time.monotonic()
        services.end(pid)
        await told.says(Health.NOT_RESPONDING)
        assert told.words[-1][2] is True
        assert f"pid {pid} ended" in told.words[-1][1]
        await monitor.stop()
        return time.monotonic() - began

    pid = services.start()
    eventually(lambda: os.readlink(f"/proc/{pid}/exe") == str(services.program), 5.0, "it is executed")
    assert asyncio.run(story()) < 5.0


def test_an_end_that_a_check_meets_before_it_is_heard_of_is_told_at_once_all_the_same(services: Services) -> None:
    main = services.start()

    async def story() -> list[Finding]:
        told: list[Finding] = []
        probe = ProcessProbe(PidfileSearch(services.pidfile), SLOW)
        probe.watch(told.append)
        await probe.check()
        services.end(main)
        await probe.check()  # at once: the loop has not had its turn
        probe.close()
        return told

    assert asyncio.run(story()) == [Finding(Health.NOT_RESPONDING, f"pid {main} ended", gone=True)]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_new_instance_is_found_after_the_old_one_has_ended(services: Services, which: int) -> None:
    async def story() -> None:
        told = Told()
        monitor = Monitor([ProcessProbe(searches(services)[which], QUICK)], told)
        monitor.start()
        for _ in range(2):
            pid = services.start()
            await told.says(Health.HEALTHY)
            services.end(pid)
            await eventually_async(lambda: told.words[-1][2], 5.0, "its end is told")
        await monitor.stop()

    asyncio.run(story())


def test_after_a_reset_the_end_of_the_old_instance_is_not_the_new_ones(services: Services) -> None:
    async def story() -> None:
        told = Told()
        monitor = Monitor([ProcessProbe(PidfileSearch(services.pidfile), SLOW)], told)
        old = services.start()
        monitor.start()
        await told.says(Health.HEALTHY)
        new = services.start()  # the pid file names it; the old one is still stopping
        monitor.reset()
        await told.says(Health.HEALTHY)
        services.end(old)
        services.end(new)
        await told.says(Health.NOT_RESPONDING)
        await monitor.stop()
        assert [word for word in told.words if word[2]] == [told.words[-1]]
        assert f"pid {new} ended" in told.words[-1][1]

    asyncio.run(story())


def test_beside_a_new_instance_the_end_of_the_old_one_says_nothing(services: Services) -> None:
    async def story() -> None:
        told = Told()
        old, new = services.start(), services.start()
        await eventually_async(lambda: os.readlink(f"/proc/{new}/exe") == str(services.program), 5.0, "it is executed")
        monitor = Monitor([ProcessProbe(by_program(services.program), QUICK)], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        services.end(old)
        await asyncio.sleep(0.2)
        assert told.healths == [Health.HEALTHY]
        services.end(new)
        await told.says(Health.NOT_RESPONDING)
        await monitor.stop()

    asyncio.run(story())


def test_the_pid_file_naming_a_successor_already_the_end_is_no_news(services: Services) -> None:
    async def story() -> None:
        told = Told()
        old = services.start()
        monitor = Monitor([ProcessProbe(PidfileSearch(services.pidfile), SLOW)], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        new = services.start()
        services.end(old)
        await asyncio.sleep(0.1)
        assert told.healths == [Health.HEALTHY]
        services.end(new)
        await told.says(Health.NOT_RESPONDING)
        await monitor.stop()

    asyncio.run(story())


def test_closing_leaves_no_descriptor_behind(services: Services) -> None:
    async def story() -> None:
        before = len(os.listdir("/proc/self/fd"))
        probe = ProcessProbe(PidfileSearch(services.pidfile), SLOW)
        services.start()
        await probe.check()
        assert len(os.listdir("/proc/self/fd")) == before + 1
        probe.close()
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(story())
