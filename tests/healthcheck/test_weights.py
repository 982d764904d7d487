"""Probes that are not critical, and those whose failures do not count while the service starts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from failover.core.values import Health
from failover.ports.service import Finding
from healthcheck.monitor import Monitor
from tests.healthcheck.stories import GONE, ILL, WELL, Puppet, Told, asked_again
from tests.servers.wait import eventually_async


class Clock:
    """Stands still until the test moves it; the loop's own pace goes on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


Story = Callable[[Monitor, Told, Puppet, Clock], Awaitable[None]]


def starting(story: Story, fall: int = 1, finding: Finding = ILL) -> None:
    """A probe with a grace of 30 s that finds its service ill from the start."""

    async def told() -> None:
        puppet, note, clock = Puppet(fall=fall), Told(), Clock()
        puppet.grace_s, puppet.finding = 30.0, finding
        monitor = Monitor([puppet], note, clock)
        monitor.start()
        try:
            await story(monitor, note, puppet, clock)
        finally:
            await monitor.stop()

    asyncio.run(told())


def test_a_service_that_starts_is_unknown_and_says_why() -> None:
    async def story(_monitor: Monitor, told: Told, puppet: Puppet, _clock: Clock) -> None:
        await asked_again(puppet, 3)
        assert told.words == [(Health.UNKNOWN, "starting: puppet: ill (grace ends in 30 s)", False)]

    starting(story)


def test_what_is_left_of_the_grace_is_told_in_steps() -> None:
    """Every new word goes into the history."""

    async def story(_monitor: Monitor, told: Told, puppet: Puppet, clock: Clock) -> None:
        for _ in range(29):
            clock.now_s += 1.0
            await asked_again(puppet, 2)
        left = [detail.partition("ends in ")[2] for _, detail, _ in told.words]
        assert left == ["30 s)", "20 s)", "15 s)", "10 s)", "5 s)"]

    starting(story)


def test_after_the_grace_the_first_failure_counts_for_all_before() -> None:
    async def story(_monitor: Monitor, told: Told, puppet: Puppet, clock: Clock) -> None:
        await asked_again(puppet, 4)
        assert set(told.healths) == {Health.UNKNOWN}
        clock.now_s += 30.0
        await told.says(Health.UNHEALTHY)

    starting(story, fall=3)


def test_once_it_has_passed_the_grace_is_over() -> None:
    async def story(_monitor: Monitor, told: Told, puppet: Puppet, _clock: Clock) -> None:
        puppet.finding = WELL
        await told.says(Health.HEALTHY)
        puppet.finding = ILL
        await told.says(Health.UNHEALTHY)

    starting(story)


def test_after_a_reset_the_grace_begins_anew() -> None:
    """A promote starts the service again on purpose."""

    async def story(monitor: Monitor, told: Told, _puppet: Puppet, clock: Clock) -> None:
        clock.now_s += 31.0
        await told.says(Health.UNHEALTHY)
        monitor.reset()
        await told.says(Health.UNKNOWN)
        await eventually_async(lambda: "grace ends in 30 s" in told.words[-1][1], 5.0, "the grace is told")

    starting(story)


def test_a_process_that_was_seen_to_end_counts_at_once() -> None:
    async def story(monitor: Monitor, told: Told, puppet: Puppet, _clock: Clock) -> None:
        puppet.finding = WELL
        await told.says(Health.HEALTHY)
        puppet.tell(GONE)
        assert told.words[-1] == (Health.NOT_RESPONDING, "puppet: pid 1 ended", True)

    starting(story)


def test_workers_that_are_left_count_at_once() -> None:
    orphaned = Finding(Health.NOT_RESPONDING, "1 process of its tree is left", there=True, at_once=True)

    async def story(_monitor: Monitor, told: Told, _puppet: Puppet, _clock: Clock) -> None:
        await told.says(Health.NOT_RESPONDING)

    starting(story, fall=5, finding=orphaned)


def test_a_process_that_is_not_there_yet_is_not_gone() -> None:
    absent = Finding(Health.NOT_RESPONDING, "no such process", absent=True)

    async def story(_monitor: Monitor, told: Told, puppet: Puppet, clock: Clock) -> None:
        await asked_again(puppet, 4)
        assert told.words[-1] == (Health.UNKNOWN, "starting: puppet: no such process (grace ends in 30 s)", False)
        clock.now_s += 31.0
        await told.says(Health.NOT_RESPONDING)
        assert told.words[-1][2]

    starting(story, fall=2, finding=absent)


def test_without_a_grace_the_first_failures_count() -> None:
    async def story() -> None:
        puppet, told = Puppet(), Told()
        puppet.finding = ILL
        monitor = Monitor([puppet], told, Clock())
        monitor.start()
        await told.says(Health.UNHEALTHY)
        await monitor.stop()

    asyncio.run(story())


@pytest.mark.parametrize("well", [True, False])
def test_a_failing_probe_that_is_not_critical_is_told_with_its_words(well: bool) -> None:
    async def story() -> None:
        critical, other, told = Puppet("tcp"), Puppet("disk"), Told()
        other.critical = False
        other.finding = ILL
        critical.finding = WELL if well else ILL
        monitor = Monitor([critical, other], told)
        monitor.start()
        await told.says(Health.HEALTHY if well else Health.UNHEALTHY)
        await eventually_async(lambda: told.impaired == 1, 5.0, "the impairment is told")
        assert told.words[-1][1].endswith("; impaired: disk: ill")
        other.finding = replace(WELL)
        await eventually_async(lambda: told.impaired == 0, 5.0, "it is over")
        await monitor.stop()

    asyncio.run(story())
