"""The service is gone when its main process is, and nothing of its tree is left (S3)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from failover.core.values import Health
from failover.ports.service import Finding
from healthcheck.descent import TreeUnknown, descendants
from healthcheck.monitor import Monitor
from healthcheck.process import ProcessProbe
from healthcheck.search import PidfileSearch, Search, by_command_line, by_port, is_held
from healthcheck.timing import Timing
from healthcheck.tree import Tree, in_words
from tests.healthcheck.services import Services
from tests.healthcheck.stories import Told
from tests.servers.ports import free_port
from tests.servers.wait import eventually, eventually_async

SLOW = Timing(every_s=3600.0, timeout_s=10.0, fall=5)
QUICK = Timing(every_s=0.05, timeout_s=10.0, fall=2)


def watched(search: Search, timing: Timing, story: Callable[[Told], Awaitable[None]]) -> None:
    """Run `story` with a monitor of one process probe that has found its service well."""

    async def told() -> None:
        note = Told()
        monitor = Monitor([ProcessProbe(search, timing)], note)
        monitor.start()
        try:
            await note.says(Health.HEALTHY)
            await story(note)
        finally:
            await monitor.stop()

    asyncio.run(told())


def test_workers_that_outlive_their_main_process_are_bad_health_at_once_but_not_gone_s3(services: Services) -> None:
    main = services.start_tree(workers=2)
    workers = services.below(main)

    async def story(told: Told) -> None:
        services.end(main)
        await told.says(Health.NOT_RESPONDING)
        named = ", ".join(map(str, workers))
        expected = f"main process {main} ended, 2 processes of its tree are left (pid {named})"
        assert told.words[-1][1:] == (f"process {services.pidfile}: {expected}", False)

    watched(PidfileSearch(services.pidfile), SLOW, story)


def test_it_is_gone_at_once_when_the_last_worker_has_ended_s3(services: Services) -> None:
    """By an event: the next check would be an hour away."""
    main = services.start_tree(workers=2)
    workers = services.below(main)

    async def story(told: Told) -> None:
        services.end(main)
        await told.says(Health.NOT_RESPONDING)
        os.kill(workers[0], signal.SIGKILL)
        await asyncio.sleep(0.05)
        assert not told.words[-1][2]
        os.kill(workers[1], signal.SIGKILL)
        await eventually_async(lambda: told.words[-1][2], 5.0, "it is gone")

    watched(PidfileSearch(services.pidfile), SLOW, story)


def test_the_children_of_workers_are_of_the_tree_too(services: Services) -> None:
    main = services.start_tree(workers=1, deep=2, apart=True)
    worker, *below = services.below(main)

    async def story(told: Told) -> None:
        services.end(main)
        os.kill(worker, signal.SIGKILL)
        await told.says(Health.NOT_RESPONDING)
        assert not told.words[-1][2]
        for pid in below:
            os.kill(pid, signal.SIGKILL)
        await eventually_async(lambda: told.words[-1][2], 5.0, "it is gone")

    watched(PidfileSearch(services.pidfile), SLOW, story)


@pytest.mark.parametrize("way", ["pidfile", "cmdline", "port"])
def test_orphans_that_look_like_the_service_are_not_taken_for_it(services: Services, way: str) -> None:
    """They run the same program, and hold the port: the tcp probe would pass."""
    port = free_port()
    main = services.start_tree(workers=2, port=port)
    orphans = services.below(main)
    searches = {
        "pidfile": PidfileSearch(services.pidfile),
        "cmdline": by_command_line(f" {port} 0$"),
        "port": by_port(port),
    }

    async def story(told: Told) -> None:
        services.end(main)
        await told.says(Health.NOT_RESPONDING)
        told_before = len(told.words)
        await asyncio.sleep(0.3)  # several checks
        assert [health for health, _, gone in told.words[told_before:] if gone or not health.bad] == []
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        await eventually_async(lambda: told.words[-1][2], 5.0, "it is gone")

    watched(searches[way], QUICK, story)


@pytest.mark.parametrize("way", ["cmdline", "port"])
def test_a_worker_that_was_forked_after_the_last_look_is_not_taken_for_the_service(
    services: Services, way: str
) -> None:
    """Its group gives it away, and the port that is still held."""
    port = free_port()
    main = services.start_tree(workers=1, port=port)
    [orphan] = services.below(main)
    old_enough_s = time.monotonic() + 0.2  # younger ones pass for the next instance
    eventually(lambda: time.monotonic() > old_enough_s, 5.0, "it is no newcomer")

    async def story() -> None:
        told = Told()
        probe = ProcessProbe(by_port(port) if way == "port" else by_command_line(f" {port} 0$"), QUICK)
        monitor = Monitor([probe], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        probe._tree.forget()  # as if it had not been there yet; a look under way must not find it either
        probe._tree = Tree()
        probe._tree.doubt = ""
        services.end(main)
        await told.says(Health.NOT_RESPONDING)
        if way == "port":
            assert told.words[-1][1].endswith(f"main process {main} ended, but port {port} is still held")
            assert not told.words[-1][2]
        await eventually_async(lambda: f"left (pid {orphan})" in told.words[-1][1], 5.0, "the orphan is known")
        assert Health.HEALTHY not in told.healths[1:]
        await monitor.stop()

    asyncio.run(story())


@pytest.mark.parametrize("heard_after_s", [0.0, 0.3])
def test_an_instance_that_a_loop_has_started_anew_is_no_orphan(services: Services, heard_after_s: float) -> None:
    """In the same group and session, and before the end of the one before was heard of: a busy host hears late."""
    services.start("/bin/sh", "-c", f"while :; do {services.program} 62.5; done")
    search = by_command_line("serviced 62.5$")

    def instance() -> int:
        return next(iter(asyncio.run(search.find())), 0)

    first = eventually(instance, 5.0, "it runs")

    async def story(told: Told) -> None:
        os.kill(first, signal.SIGKILL)
        time.sleep(heard_after_s)  # noqa: ASYNC251 - the loop stands still
        await eventually_async(lambda: any(gone for _, _, gone in told.words), 5.0, "its end is told")
        await told.says(Health.HEALTHY)

    watched(search, QUICK, story)


def test_a_new_main_process_beside_orphans_is_the_service(services: Services) -> None:
    main = services.start_tree(workers=2)

    async def story(told: Told) -> None:
        services.end(main)
        await told.says(Health.NOT_RESPONDING)
        services.start()
        await told.says(Health.HEALTHY)

    watched(PidfileSearch(services.pidfile), QUICK, story)


def test_orphans_that_were_there_before_the_controller_are_not_gone_s3(services: Services) -> None:
    """The pid file names who led their process group."""
    main = services.start_tree(workers=1)
    services.end(main)

    async def story() -> Finding:
        return await ProcessProbe(PidfileSearch(services.pidfile), SLOW).check()

    finding = asyncio.run(story())
    words = f"no such process, but processes of its group {main} are left"
    assert finding == Finding(Health.NOT_RESPONDING, words, there=True)


def test_a_process_that_the_pid_file_names_no_more_is_there_until_it_ends_s3(services: Services) -> None:
    """Some services remove their pid file first, and stop then."""
    main = services.start()

    async def story(told: Told) -> None:
        services.pidfile.unlink()
        await told.says(Health.NOT_RESPONDING)
        assert told.words[-1][1].endswith(f"no main process, 1 process of its tree is left (pid {main})")
        assert not told.words[-1][2]
        services.end(main)
        await eventually_async(lambda: told.words[-1][2], 5.0, "it is gone")

    watched(PidfileSearch(services.pidfile), QUICK, story)


def test_a_zombie_main_process_with_workers_is_there(services: Services) -> None:
    main = services.start_tree(workers=1)
    os.kill(main, signal.SIGKILL)
    eventually(lambda: Path(f"/proc/{main}/stat").read_text().split()[2] == "Z", 5.0, "it is a zombie")

    async def story() -> Finding:
        probe = ProcessProbe(PidfileSearch(services.pidfile), SLOW)
        finding = await probe.check()
        probe.close()
        return finding

    assert asyncio.run(story()) == Finding(Health.NOT_RESPONDING, f"pid {main} is a zombie")


def test_a_tree_that_is_not_known_leaves_it_to_later_checks_whether_it_is_gone_s3(services: Services) -> None:
    """As where /proc cannot be read, or there are more workers than anyone follows."""
    main = services.start()

    async def story() -> None:
        told = Told()
        probe = ProcessProbe(PidfileSearch(services.pidfile), QUICK)
        monitor = Monitor([probe], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        probe._tree.doubt = "permission denied"
        services.end(main)
        await told.says(Health.NOT_RESPONDING)
        words = f"main process {main} ended, what is left of its tree is not known: permission denied"
        assert told.words[1][1:] == (f"process {services.pidfile}: {words}", False)
        await eventually_async(lambda: told.words[-1][2], 5.0, "no process was found so many times in a row")
        await monitor.stop()

    asyncio.run(story())


def test_too_many_descendants_are_not_followed(services: Services) -> None:
    main = services.start_tree(workers=4)
    with pytest.raises(TreeUnknown, match="more than 3 processes"):
        descendants([main], most=3)
    assert descendants([main], most=4) == set(services.below(main))


def test_a_process_that_has_ended_has_no_descendants(services: Services) -> None:
    main = services.start()
    services.end(main)
    assert descendants([main], most=4) == set()


def test_a_worker_that_left_its_parent_stays_known(services: Services) -> None:
    """A double fork: its own parent has ended, and it is nobody's descendant any more."""
    main = services.start_tree(workers=1, deep=1)

    async def story() -> None:
        tree = Tree()
        await tree.look([main])
        first, second = tree.left()
        parent = min(first, second)
        os.kill(parent, signal.SIGKILL)
        await eventually_async(lambda: parent not in tree.left(), 5.0, "its parent has ended")
        tree.look_soon()
        await tree.look([main])
        assert tree.left() == [max(first, second)]
        tree.forget()

    asyncio.run(story())


def test_forgetting_a_tree_leaves_no_descriptor_behind(services: Services) -> None:
    main = services.start_tree(workers=3)

    async def story() -> None:
        before = len(os.listdir("/proc/self/fd"))
        probe = ProcessProbe(PidfileSearch(services.pidfile), SLOW)
        await probe.check()
        assert len(os.listdir("/proc/self/fd")) == before + 4
        services.end(main)
        await eventually_async(lambda: len(os.listdir("/proc/self/fd")) == before + 3, 5.0, "its end is heard of")
        probe.forget()
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(story())


def test_many_are_named_in_part() -> None:
    assert in_words([7]) == "1 process of its tree is left (pid 7)"
    assert in_words(list(range(1, 11))) == "10 processes of its tree are left (pid 1, 2, 3, 4, 5, 6, 7, 8, …)"


def test_whether_a_port_is_held_is_told_by_the_kernel(services: Services) -> None:
    port = free_port()
    assert not is_held(port)
    services.start_tree(workers=0, port=port)
    eventually(lambda: is_held(port), 5.0, "it listens")


def test_looking_at_a_tree_costs_little(services: Services) -> None:
    """Ten workers, once a second: less than half a per cent of a core, with room."""
    main = services.start_tree(workers=10)

    async def story() -> float:
        tree = Tree()
        await tree.look([main])
        began = time.process_time()
        for _ in range(100):
            tree.look_soon()
            await tree.look([main])
        took_s = (time.process_time() - began) / 100
        tree.forget()
        return took_s

    assert asyncio.run(story()) < 0.0025


def test_looks_are_seldom_however_often_they_are_asked_for(services: Services) -> None:
    main = services.start_tree(workers=10)

    async def cost_s(tree: Tree, *, due: bool) -> float:
        began = time.process_time()
        for _ in range(200):
            if due:
                tree.look_soon()
            await tree.look([main])
        return time.process_time() - began

    async def story() -> tuple[float, float]:
        tree = Tree()
        costs_s = await cost_s(tree, due=True), await cost_s(tree, due=False)
        tree.forget()
        return costs_s

    always_s, seldom_s = asyncio.run(story())
    assert seldom_s < always_s / 4


HIDDEN = """
import asyncio, os, sys
from pathlib import Path
from healthcheck.process import ProcessProbe
from healthcheck.search import PidfileSearch
from healthcheck.timing import Timing
os.setgid(65534), os.setuid(65534)
found = asyncio.run(ProcessProbe(PidfileSearch(Path(sys.argv[1])), Timing()).check())
print(found.health.value, found.detail, found.there, found.absent, sep="; ", flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount /proc so that it hides others' processes")
def test_a_process_that_proc_hides_is_not_taken_for_gone_s3(services: Services) -> None:
    main = services.start()
    pidfile = Path("/dev/shm") / f"hidden-{main}.pid"  # where anyone may read it
    pidfile.write_text(str(main))
    script = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", HIDDEN, str(pidfile)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    pidfile.unlink()
    if "mount" in told.stderr or "unshare" in told.stderr:
        pytest.skip("no file systems can be mounted here")
    words = f"no such process, but process {main} is there, though /proc does not show it to this user"
    assert told.stdout == f"not_responding; {words}; True; False\n", told.stderr
