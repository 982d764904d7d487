"""`rise` and `fall`, and the worst of all probes."""

import pytest

from failover.core.values import Health
from failover.ports.service import Finding
from healthcheck.word import Together, Word, together
from tests.healthcheck.stories import GONE, ILL, SILENT, WELL


def after(rise: int, fall: int, *findings: Finding) -> Health:
    word = Word(rise, fall)
    for finding in findings:
        word.count(finding)
    return word.said.health


@pytest.mark.parametrize(
    ("findings", "health"),
    [
        ([], Health.UNKNOWN),
        ([WELL], Health.UNKNOWN),
        ([WELL, WELL], Health.HEALTHY),
        ([ILL, ILL], Health.UNKNOWN),
        ([ILL, ILL, ILL], Health.UNHEALTHY),
        ([ILL, SILENT, SILENT], Health.NOT_RESPONDING),
        ([WELL, WELL, ILL, ILL], Health.HEALTHY),
        ([WELL, WELL, ILL, ILL, WELL, ILL, ILL], Health.HEALTHY),
        ([WELL, WELL, ILL, ILL, ILL], Health.UNHEALTHY),
        ([ILL, ILL, ILL, WELL], Health.UNHEALTHY),
        ([ILL, ILL, ILL, WELL, WELL], Health.HEALTHY),
        ([ILL, ILL, ILL, SILENT], Health.NOT_RESPONDING),
        ([WELL, Finding(Health.UNKNOWN), WELL], Health.HEALTHY),
    ],
)
def test_two_good_ones_in_a_row_raise_and_three_bad_ones_fell(findings: list[Finding], health: Health) -> None:
    assert after(2, 3, *findings) is health


def test_the_end_of_the_process_counts_at_once() -> None:
    assert after(1, 5, WELL, GONE) is Health.NOT_RESPONDING


def test_a_process_that_is_not_found_so_many_times_in_a_row_counts_as_gone_s3() -> None:
    """A fenced node's controller that starts again must be able to find its service demoted."""
    word = Word(1, 2)
    absent = Finding(Health.NOT_RESPONDING, "no such process", absent=True)
    word.count(absent)
    assert not word.said.gone
    word.count(absent)
    assert word.said.gone


def test_that_the_process_has_ended_is_not_forgotten_over_later_failures() -> None:
    word = Word(1, 1)
    for finding in (WELL, GONE, SILENT, ILL):
        word.count(finding)
    assert word.said == GONE
    word.count(WELL)
    assert word.said == WELL


@pytest.mark.parametrize(
    ("healths", "worst"),
    [
        ([Health.HEALTHY, Health.HEALTHY], Health.HEALTHY),
        ([Health.HEALTHY, Health.UNKNOWN], Health.UNKNOWN),
        ([Health.UNKNOWN, Health.UNHEALTHY], Health.UNHEALTHY),
        ([Health.UNHEALTHY, Health.NOT_RESPONDING, Health.HEALTHY], Health.NOT_RESPONDING),
    ],
)
def test_every_probe_must_pass(healths: list[Health], worst: Health) -> None:
    assert together((f"probe{n}", Finding(health), True) for n, health in enumerate(healths)).health is worst


def test_the_detail_names_the_probes_that_do_not_pass() -> None:
    finding = together([("tcp", WELL, True), ("http", ILL, True), ("role", ILL, True)])
    assert finding.detail == "http: ill; role: ill"


def test_the_end_of_one_process_is_not_the_services_while_another_is_there_s3() -> None:
    there = Finding(Health.HEALTHY, "pid 7", there=True)
    assert not together([("sidecar", GONE, True), ("server", there, True)]).gone
    assert together([("sidecar", GONE, True), ("port", SILENT, True)]).gone


def test_a_failing_probe_that_is_not_critical_only_impairs() -> None:
    said = together([("tcp", WELL, True), ("disk", ILL, False), ("http", SILENT, False)])
    assert said == Together(
        Health.HEALTHY, "all critical probes pass; impaired: disk: ill; http: silent", False, impaired=2
    )


def test_an_ill_node_tells_its_impairments_too() -> None:
    said = together([("tcp", ILL, True), ("disk", ILL, False)])
    assert (said.health, said.detail) == (Health.UNHEALTHY, "tcp: ill; impaired: disk: ill")


def test_what_a_probe_that_is_not_critical_sees_end_is_not_the_service_s3() -> None:
    assert not together([("tcp", ILL, True), ("sidecar", GONE, False)]).gone


def test_a_process_that_any_probe_sees_is_there_s3() -> None:
    there = Finding(Health.NOT_RESPONDING, "pid 7 is stopped", there=True)
    assert not together([("main", GONE, True), ("worker", there, False)]).gone


def test_a_main_process_that_was_seen_to_end_is_bad_at_once_but_not_gone_while_workers_live_s3() -> None:
    word = Word(1, 5)
    word.count(WELL)
    orphaned = Finding(Health.NOT_RESPONDING, "1 process of its tree is left", there=True, at_once=True)
    word.count(orphaned)
    assert word.said == orphaned


def test_only_absences_in_a_row_make_it_gone_s3() -> None:
    word = Word(1, 2)
    absent = Finding(Health.NOT_RESPONDING, "no such process", absent=True)
    for finding in (SILENT, SILENT, absent):
        word.count(finding)
    assert not word.said.gone
    word.count(absent)
    assert word.said.gone


def test_why_nothing_is_known_is_said() -> None:
    word = Word(1, 1)
    word.count(Finding(Health.UNKNOWN, "permission denied"))
    assert word.said.detail == "permission denied"
