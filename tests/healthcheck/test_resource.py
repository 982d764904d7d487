"""The resource probe: what a real process tree and a real file system use, against limits."""

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.amounts import Share
from failover.core.values import Health
from failover.ports.service import Finding
from healthcheck.errand import Errand, Unanswered
from healthcheck.once import look
from healthcheck.resource import ResourceProbe
from healthcheck.search import PidfileSearch, by_command_line
from healthcheck.timing import Timing
from healthcheck.usage import Limits, Measured, NotMeasurable, Usage, disk, load
from tests.healthcheck.services import Services
from tests.servers.wait import eventually, eventually_async

TIMING = Timing(every_s=5.0, timeout_s=2.0)
MIB = 1024**2
GREEDY = f"""
import sys, time
held = b"x" * (64 * {MIB})
files = [open("/dev/null") for _ in range(int(sys.argv[1]))]
print("greedy", flush=True)
time.sleep(600)
"""


def found(services: Services, limits: Limits) -> Finding:
    return asyncio.run(ResourceProbe(PidfileSearch(services.pidfile), limits, TIMING).check())


def start_greedy(services: Services, files: int, most_files: int = 1024) -> int:
    """A process that holds 64 MiB and so many files."""
    limit = f"ulimit -n {most_files}; exec {sys.executable} -c '{GREEDY}' {files}"
    pid = services.start("/bin/sh", "-c", limit.replace("'/dev/null'", "/dev/null"))
    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) >= files, 10.0, "it holds its files")
    return pid


def test_a_service_within_its_limits_is_healthy_and_says_by_how_much(services: Services) -> None:
    services.start()
    finding = found(services, Limits(memory=1024 * MIB, open_files=Share(90.0), cpu=90.0))
    assert finding.health is Health.HEALTHY
    assert finding.there
    assert re.fullmatch(
        r"memory [\d.]+ [MK]iB of [\d.]+ GiB \(0 %\), limit 1 GiB; "
        r"open files \d+ of \d+ \(\d+ %\), limit 90 %; cpu \d+ % of the host, limit 90 %",
        finding.detail,
    )


def test_too_many_open_files_are_unhealthy_in_exact_words(services: Services) -> None:
    pid = start_greedy(services, 100, most_files=110)

    def says_so() -> bool:
        """Asked again while it still opens its last ones."""
        used = len(os.listdir(f"/proc/{pid}/fd"))
        words = f"open files {used} of 110 ({used / 110 * 100:.0f} %), limit 90 %"
        return found(services, Limits(open_files=Share(90.0))) == Finding(Health.UNHEALTHY, words, there=True)

    eventually(says_so, 10, "it says how many of how many")


def test_open_files_may_be_limited_by_number(services: Services) -> None:
    start_greedy(services, 100)
    assert found(services, Limits(open_files=50)).health is Health.UNHEALTHY
    assert found(services, Limits(open_files=500)).health is Health.HEALTHY


def test_too_much_memory_is_unhealthy(services: Services) -> None:
    start_greedy(services, 50)
    finding = found(services, Limits(memory=32 * MIB))
    assert finding.health is Health.UNHEALTHY
    assert finding.detail.endswith("limit 32 MiB")


def test_memory_is_summed_over_the_tree(services: Services) -> None:
    main = services.start_tree(workers=3)
    alone = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (main,)) * resource.getpagesize()
    assert found(services, Limits(memory=alone + MIB)).health is Health.UNHEALTHY


def test_a_process_that_keeps_a_processor_busy_is_unhealthy(services: Services) -> None:
    pid = services.start(sys.executable, "-c", "while True: pass")
    eventually(lambda: int(Path(f"/proc/{pid}/stat").read_text().split()[13]) > 10, 10.0, "it has worked a little")
    finding = found(services, Limits(cpu=0.5))
    assert finding.health is Health.UNHEALTHY
    assert re.fullmatch(r"cpu \d+ % of the host, limit 0.5 %", finding.detail)


def test_processor_time_counts_from_the_last_look(services: Services) -> None:
    pid = services.start(sys.executable, "-c", "while True: pass")
    eventually(lambda: int(Path(f"/proc/{pid}/stat").read_text().split()[13]) > 20, 10.0, "it has worked a little")
    usage = Usage(Limits(cpu=0.5))
    assert usage.measure([pid])[0].over
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T", 5.0, "it is stopped")
    usage.measure([pid])
    assert not usage.measure([pid])[0].over


def test_a_stopped_main_process_does_not_respond(services: Services) -> None:
    pid = services.start()
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T", 5.0, "it is stopped")
    finding = found(services, Limits(memory=1024 * MIB))
    assert finding == Finding(Health.NOT_RESPONDING, f"pid {pid} is stopped", there=True)


def test_a_zombie_main_process_does_not_respond(services: Services) -> None:
    pid = services.start()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z", 5.0, "it is a zombie")
    finding = found(services, Limits(memory=1024 * MIB))
    assert finding == Finding(Health.NOT_RESPONDING, f"pid {pid} is a zombie")


def test_without_a_process_nothing_is_measured_and_nothing_counts_as_gone(services: Services) -> None:
    """The end of the service is told by `process` alone."""
    services.end(services.start())
    assert found(services, Limits(memory=MIB)) == Finding(Health.NOT_RESPONDING, "no such process")


def test_a_walk_is_made_only_when_the_process_is_not_known(services: Services) -> None:
    pid = services.start(str(services.program), "61.5")

    async def story() -> None:
        search = by_command_line("serviced 61.5")
        probe = ResourceProbe(search, Limits(memory=1024 * MIB), TIMING)
        assert (await probe.check()).health is Health.HEALTHY
        walked: list[bool] = []
        search._candidates = lambda: walked.append(True) or set()  # type: ignore[func-returns-value]
        assert (await probe.check()).health is Health.HEALTHY
        assert not walked
        services.end(pid)
        assert (await probe.check()).detail == "no such process"
        assert walked

    asyncio.run(story())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_is_unhealthy_and_well_again_when_there_is_room(small_disk: Path) -> None:
    limits = Limits(disk=(str(small_disk), Share(20.0)))

    async def story() -> list[Finding]:
        probe = ResourceProbe(None, limits, TIMING)
        findings = [await probe.check()]
        (small_disk / "data").write_bytes(bytes(900 * 1024))
        findings.append(await probe.check())
        (small_disk / "data").unlink()
        return [*findings, await probe.check()]

    empty, full, again = asyncio.run(story())
    words = f"disk {small_disk} has 1 MiB of 1 MiB (100 %) free, limit 20 %"
    assert empty == again == Finding(Health.HEALTHY, words, of_host=True)
    assert full.health is Health.UNHEALTHY
    assert full.detail == f"disk {small_disk} has 124 KiB of 1 MiB (12 %) free, limit 20 %"


def test_free_space_may_be_asked_for_in_bytes(tmp_path: Path) -> None:
    told = os.statvfs(tmp_path)
    free = told.f_bavail * told.f_frsize
    assert not disk(str(tmp_path), free // 2).over
    assert disk(str(tmp_path), free * 2).over


def test_a_disk_that_is_not_there_is_unhealthy(tmp_path: Path) -> None:
    measured = disk(str(tmp_path / "none"), 1)
    assert measured == Measured("disk", f"disk {tmp_path}/none: No such file or directory", True)


def test_the_load_is_measured_for_each_processor() -> None:
    assert not load(1000.0).over
    assert load(1000.0).words.endswith("per processor, limit 1000")
    assert load(-1.0).over


def test_a_disk_with_room_does_not_mean_that_the_service_is_up_s3(tmp_path: Path) -> None:
    """After a demote every probe is asked whether anything is still up: a disk says nothing of that."""
    probe = ResourceProbe(None, Limits(disk=(str(tmp_path), 1)), TIMING)
    assert asyncio.run(look([probe])).up == ""


def test_the_same_limits_exceeded_are_told_in_the_same_words_for_a_while(small_disk: Path) -> None:
    """Each new word is told, and goes into the history."""

    async def story() -> list[str]:
        probe = ResourceProbe(None, Limits(disk=(str(small_disk), Share(99.0))), TIMING)
        (small_disk / "data").write_bytes(bytes(100 * 1024))
        first = await probe.check()
        (small_disk / "data").write_bytes(bytes(500 * 1024))
        return [first.detail, (await probe.check()).detail]

    first, second = asyncio.run(story())
    assert first == second


def blocked(story: Callable[[Errand, threading.Event], object]) -> None:
    """Run `story` with an errand whose question is answered when the event is set."""

    async def run() -> None:
        event = threading.Event()
        try:
            await story(Errand("test"), event)  # type: ignore[misc]
        finally:
            event.set()

    asyncio.run(run())


def test_a_question_that_blocks_does_not_block_the_loop_and_is_not_asked_twice() -> None:
    async def story(errand: Errand, event: threading.Event) -> None:
        asked: list[int] = []

        def question() -> str:
            asked.append(1)
            event.wait(10.0)
            return "answered"

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(errand.ask(question), 0.05)
        for _ in range(3):
            with pytest.raises(Unanswered):
                await errand.ask(question)
        assert len(asked) == 1
        event.set()
        await eventually_async(lambda: errand._under_way is not None and errand._under_way.done(), 5.0, "it answers")
        assert await errand.ask(question) == "answered"

    blocked(story)


def test_what_goes_wrong_in_a_question_reaches_who_asked() -> None:
    def question() -> str:
        raise NotMeasurable("permission denied")

    with pytest.raises(NotMeasurable):
        asyncio.run(Errand("test").ask(question))


def test_a_disk_that_hangs_does_not_respond_and_no_threads_pile_up(tmp_path: Path) -> None:
    async def story() -> None:
        event = threading.Event()
        probe = ResourceProbe(None, Limits(disk=(str(tmp_path), 1)), TIMING)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(probe._errand.ask(lambda: event.wait(10.0)), 0.05)
        threads = threading.active_count()
        for _ in range(5):
            finding = await probe.check()
            assert finding.health is Health.NOT_RESPONDING
        assert finding.detail == "what was asked before is not answered yet"
        assert threading.active_count() == threads
        event.set()
        await eventually_async(lambda: threading.active_count() < threads, 5.0, "the thread has ended")
        assert (await probe.check()).health is Health.HEALTHY

    asyncio.run(story())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not look")
def test_what_may_not_be_looked_at_is_unknown_and_says_so(services: Services) -> None:
    pid = services.start()
    script = f"""
import os, psutil
from healthcheck.usage import Limits, NotMeasurable, Usage
os.setgid(65534); os.setuid(65534)
try:
    Usage(Limits(open_files=5)).measure([{pid}])
except NotMeasurable as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert told.stdout == "permission denied: only root and the service's own user may look\n", told.stderr
