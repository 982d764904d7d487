"""The monitor asks at its probes' pace, and tells what changes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.launcher import Launcher
from healthcheck.command import CommandProbe
from healthcheck.monitor import MOST_EXCUSES, Monitor, boot_clock
from healthcheck.timing import Timing
from healthcheck.word import Together
from tests.healthcheck.stories import GONE, ILL, SILENT, WELL, Puppet, Told, asked_again
from tests.servers.wait import eventually_async
from tests.support.hooks import lives, with_launcher

Story = Callable[[Monitor, Told, Puppet], Awaitable[None]]


def watched(story: Story, **timing: float) -> None:
    """Run `story` with a monitor of one puppet, started."""

    async def told() -> None:
        puppet, note = Puppet(**timing), Told()  # type: ignore[arg-type]
        monitor = Monitor([puppet], note)
        monitor.start()
        try:
            await story(monitor, note, puppet)
        finally:
            await monitor.stop()

    asyncio.run(told())


def test_it_tells_changes_and_nothing_else() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        await asked_again(puppet, 3)
        puppet.finding = ILL
        await told.says(Health.UNHEALTHY)
        await asked_again(puppet, 3)
        puppet.finding = WELL
        await told.says(Health.HEALTHY)
        assert told.healths == [Health.HEALTHY, Health.UNHEALTHY, Health.HEALTHY]
        assert told.words[1] == (Health.UNHEALTHY, "puppet: ill", False)

    watched(story)


def test_each_probe_is_counted_by_itself_over_all_resets() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        puppet.finding = ILL
        await told.says(Health.UNHEALTHY)
        monitor.reset()
        await told.says(Health.UNHEALTHY)
        (probe,) = monitor.probes_told()
        assert (probe.name, probe.critical, probe.health) == ("puppet", True, "unhealthy")
        assert probe.failures["unhealthy"] >= 2
        assert probe.failures["not_responding"] == 0
        assert sum(probe.took.counts) >= probe.failures["unhealthy"]

    watched(story)


def test_a_service_that_stays_ill_for_another_reason_is_told_again() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        puppet.finding = ILL
        await told.says(Health.UNHEALTHY)
        puppet.finding = Finding(Health.UNHEALTHY, "worse")
        await eventually_async(lambda: told.words[-1][1] == "puppet: worse", 5.0, "the new reason is told")

    watched(story)


def test_a_check_that_takes_too_long_is_not_responding() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        puppet.open.clear()
        await told.says(Health.NOT_RESPONDING)
        assert told.words[-1][1] == "puppet: no answer in 0.05 s"

    watched(story)


def test_checks_never_pile_up() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        puppet.open.clear()
        await asked_again(puppet, 3)
        for _ in range(5):
            monitor.reset()
            await asyncio.sleep(0)
        await asked_again(puppet, 2)
        assert puppet.most_running == 1

    watched(story, every_s=0.001)


def test_a_command_that_is_slower_than_its_interval_never_piles_up(tmp_path: Path) -> None:
    """Real processes: each run looks whether one before it lives; each is ended at its time-out; none catches up."""
    line = (
        f"cd {tmp_path}; for pid in $(cat pids 2>/dev/null); do kill -0 $pid 2>/dev/null && echo $pid >> overlapping; "
        "done; echo $$ >> pids; sleep 60"
    )

    async def story(launcher: Launcher) -> float:
        timing = Timing(every_s=0.1, timeout_s=0.1, fall=1)
        probe = CommandProbe(("/bin/sh", "-c", line), launcher, "orders-db", "db1", timing)
        told = Told()
        began = time.monotonic()
        monitor = Monitor([probe], told)
        monitor.start()
        await eventually_async(lambda: len(runs(tmp_path)) >= 5, 20.0, "it has run several times")
        for _ in range(3):
            monitor.reset()
        await eventually_async(lambda: len(runs(tmp_path)) >= 8, 20.0, "and again after resets")
        await monitor.stop()
        assert told.healths[0] is Health.NOT_RESPONDING
        return time.monotonic() - began

    took_s = with_launcher(tmp_path, story)
    assert not (tmp_path / "overlapping").exists()
    assert len(runs(tmp_path)) <= took_s / 0.1 + 4  # one for each interval, and for each reset
    assert not [pid for pid in runs(tmp_path) if lives(pid)]


def runs(folder: Path) -> list[int]:
    """The pids of all runs of the command so far."""
    try:
        return [int(pid) for pid in (folder / "pids").read_text().split()]
    except FileNotFoundError:
        return []


def test_a_reset_is_unknown_at_once_and_asks_at_once() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        monitor.reset()
        assert told.healths == [Health.HEALTHY, Health.UNKNOWN]
        await told.says(Health.HEALTHY)  # though the next regular check is an hour away

    watched(story, every_s=3600.0)


def test_what_was_asked_before_a_reset_never_counts_after_it() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        puppet.finding = ILL
        puppet.open.clear()
        puppet.timeout_s = 5.0
        await eventually_async(lambda: puppet.running == 1, 5.0, "a check has begun")
        puppet.finding = WELL
        monitor.reset()
        puppet.open.set()  # the old check could answer now
        await told.says(Health.HEALTHY)
        assert Health.UNHEALTHY not in told.healths

    watched(story)


def test_what_was_asked_before_the_end_was_heard_of_never_counts_after_it_s3() -> None:
    """A check that found the process alive, a moment before it ended, must not make it well again."""

    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        puppet.open.clear()
        puppet.timeout_s = 5.0
        await eventually_async(lambda: puppet.running == 1, 5.0, "a check has begun")
        puppet.finding = SILENT
        puppet.tell(GONE)
        puppet.open.set()  # the check ends, and was well
        await asked_again(puppet)
        assert told.words[1:] == [(Health.NOT_RESPONDING, "puppet: pid 1 ended", True)]

    watched(story)


def test_the_end_of_the_process_is_told_at_once_without_fall() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        puppet.tell(GONE)
        assert told.words[-1] == (Health.NOT_RESPONDING, "puppet: pid 1 ended", True)

    watched(story, every_s=3600.0, fall=5)


def test_the_end_of_an_old_process_does_not_count_against_the_new_one() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        monitor.reset()
        puppet.tell(GONE)
        await told.says(Health.HEALTHY)
        assert told.healths == [Health.HEALTHY, Health.UNKNOWN, Health.HEALTHY]

    watched(story)


class Starved(Puppet):
    """A probe that is asked by a loop that stands still meanwhile, so that its answer comes late."""

    starving = True

    async def check(self) -> Finding:
        """Fails while it starves."""
        self.asked += 1
        if not self.starving:
            return WELL
        stand_still(0.2)
        return ILL


def stand_still(for_s: float) -> None:
    """Starve the loop."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        pass


def test_a_starved_controller_does_not_hold_it_against_the_service() -> None:
    async def story() -> None:
        probe, told = Starved(), Told()
        monitor = Monitor([probe], told)
        monitor.start()
        await eventually_async(lambda: probe.asked == MOST_EXCUSES, 5.0, "it is asked, starving")
        probe.starving = False
        await told.says(Health.HEALTHY)
        await monitor.stop()
        assert told.healths == [Health.HEALTHY]

    asyncio.run(story())


def test_a_late_failure_is_asked_for_again_at_once() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        puppet.finding = ILL
        stand_still(0.4)
        assert told.healths == [Health.HEALTHY]
        await told.says(Health.UNHEALTHY)

    watched(story, every_s=0.1)


def test_a_host_that_was_suspended_does_not_hold_it_against_the_service() -> None:
    """Its clock went on while the loop's stood still: the check begins an hour late, and is excused."""

    async def story() -> None:
        puppet, told = Puppet(), Told()
        slept_s = [0.0]
        monitor = Monitor([puppet], told, lambda: boot_clock() + slept_s[0])
        monitor.start()
        await told.says(Health.HEALTHY)
        puppet.finding = ILL
        slept_s[0] = 3600.0
        await eventually_async(lambda: monitor.excused == 1, 5.0, "one failure is excused")
        await told.says(Health.UNHEALTHY)  # for it goes on failing
        await monitor.stop()

    asyncio.run(story())


def test_a_seldom_check_that_begins_late_by_less_than_its_interval_was_starved_too() -> None:
    async def story() -> None:
        puppet, told = Puppet(every_s=2.0), Told()
        slept_s = [0.0]
        monitor = Monitor([puppet], told, lambda: boot_clock() + slept_s[0])
        monitor.start()
        await told.says(Health.HEALTHY)
        puppet.finding = ILL
        slept_s[0] = 1.5
        await eventually_async(lambda: monitor.excused == 1, 5.0, "one failure is excused")
        assert told.healths == [Health.HEALTHY]
        await monitor.stop()

    asyncio.run(story())


def test_excuses_come_to_an_end() -> None:
    async def story() -> None:
        probe, told = Starved(), Told()
        asked_at: list[int] = []

        def tell(said: Together) -> None:
            told(said)
            asked_at.append(probe.asked)

        monitor = Monitor([probe], tell)
        monitor.start()
        await told.says(Health.UNHEALTHY)
        await monitor.stop()
        assert asked_at[0] == MOST_EXCUSES + 1

    asyncio.run(story())


def test_the_worst_of_all_probes_is_told() -> None:
    async def story() -> None:
        one, two, told = Puppet("one"), Puppet("two"), Told()
        monitor = Monitor([one, two], told)
        monitor.start()
        await told.says(Health.HEALTHY)
        two.finding = ILL
        await told.says(Health.UNHEALTHY)
        assert told.words[-1][1] == "two: ill"
        await monitor.stop()
        assert one.closed
        assert two.closed

    asyncio.run(story())


def test_nothing_is_told_after_the_stop() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        await told.says(Health.HEALTHY)
        await monitor.stop()
        asked = puppet.asked
        puppet.finding = ILL
        await asyncio.sleep(0.1)
        assert (puppet.asked, told.healths) == (asked, [Health.HEALTHY])

    watched(story)


def test_without_probes_the_service_counts_as_healthy() -> None:
    async def story() -> None:
        told = Told()
        monitor = Monitor([], told)
        monitor.start()
        assert told.words == [(Health.HEALTHY, "no probes", False)]
        await monitor.stop()

    asyncio.run(story())


def test_a_mistake_in_a_probe_reaches_the_loops_exception_handler() -> None:
    """S10: a probe that fails in an unforeseen way must not silently stop being asked."""

    class Broken(Puppet):
        async def check(self) -> Finding:
            raise ZeroDivisionError("a bug")

    async def story() -> object:
        caught: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: caught.set_result(context.get("exception")))
        monitor = Monitor([Broken()], Told())
        monitor.start()
        error = await asyncio.wait_for(caught, 5.0)
        await monitor.stop()
        return error

    assert isinstance(asyncio.run(story()), ZeroDivisionError)


@pytest.mark.parametrize("fall", [1, 3])
def test_the_first_word_is_not_told_before_enough_was_found(fall: int) -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet) -> None:
        puppet.finding = ILL
        await told.says(Health.UNHEALTHY)
        assert puppet.asked >= fall

    watched(story, fall=fall)
