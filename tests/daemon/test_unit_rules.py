"""S3: a unit that systemd would start by itself is refused; what this host cannot know is a warning at most."""

from pathlib import Path

import pytest

from config import examine_text
from config.problems import Problem
from failover.daemon.unit_rules import DEADLINE_S, unit_findings

FILE = """\
service: orders-db
node: db1
store: {kind: zookeeper, hosts: [zk1:2181]}
control: {kind: systemd, unit: orders-db.service}
health: [{kind: systemd, unit: orders-db.service}]
fencing: {methods: {power: {kind: command, run: [/bin/sh, "{node.name}"]}}}
"""
ASKS = "ExecCondition={{ path={0} ; argv[]={0} may-start orders-db ; ignore_errors={1} ; start_time=[n/a] }}"


def systemctl(folder: Path, *units: str, code: int = 0, before: str = "") -> str:
    """A systemctl that prints these blocks, and notes what it is asked."""
    told = "\n\n".join(units)
    (folder / "told").write_text(f"{told}\n" if told else "")
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\n{before}\necho "$*" > {folder}/asked\ncat {folder}/told\nexit {code}\n')
    program.chmod(0o755)
    return str(program)


def problems(program: str, text: str = FILE) -> list[Problem]:
    examined = examine_text(text, "f", False, lambda draft: unit_findings(draft, program))
    return [problem for problem in examined.problems if ".service" in problem.message or "unit" in problem.message]


def said(folder: Path, *lines: str) -> list[str]:
    unit = "\n".join(["Id=orders-db.service", "LoadState=loaded", *lines])
    return [str(problem) for problem in problems(systemctl(folder, unit))]


def test_a_unit_that_nobody_starts_is_left_in_peace(tmp_path: Path) -> None:
    assert said(tmp_path, "UnitFileState=disabled", "Restart=no") == []


def test_an_enabled_unit_is_refused_at_its_place_in_the_file(tmp_path: Path) -> None:
    assert said(tmp_path, "UnitFileState=enabled", "Restart=no", "WantedBy=multi-user.target") == [
        "f:4:32: control.unit: orders-db.service would start by itself at boot (it is enabled), without asking the "
        "controller (S3); systemctl disable orders-db.service, or let it ask: "
        "ExecCondition=+/usr/local/bin/failoverctl may-start SERVICE"
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["UnitFileState=enabled-runtime"], "would start by itself at boot"),
        (["UnitFileState=static", "WantedBy=multi-user.target"], "would be started by multi-user.target"),
        (["UnitFileState=static", "TriggeredBy=orders-db.socket"], "would be started by orders-db.socket"),
        (["UnitFileState=disabled", "Restart=on-failure"], "would be started again by systemd (Restart=on-failure)"),
    ],
)
def test_every_way_to_start_by_itself_is_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    (line,) = said(tmp_path, *lines)
    assert words in line
    assert "warning" not in line


def test_a_controller_that_is_ordered_after_the_unit_that_it_steers_is_refused(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "UnitFileState=disabled", "Before=shutdown.target failoverd@orders-db.service")
    assert "control.unit: failoverd@orders-db.service is ordered after orders-db.service, which it steers" in line
    assert "take After=orders-db.service out of failoverd@orders-db.service" in line


def test_what_another_service_starts_is_that_ones_matter(tmp_path: Path) -> None:
    assert said(tmp_path, "UnitFileState=static", "WantedBy=orders-active.service") == []


def test_a_unit_that_asks_the_controller_may_be_enabled_and_restarted(tmp_path: Path) -> None:
    asks = ASKS.format("/usr/local/bin/failoverctl", "no")
    assert said(tmp_path, "UnitFileState=enabled", "Restart=always", asks) == []


@pytest.mark.parametrize(
    "condition",
    [
        ASKS.format("/usr/local/bin/failoverctl", "yes"),
        "ExecCondition={ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no }",
    ],
)
def test_a_condition_that_is_ignored_or_asks_somebody_else_does_not_count(tmp_path: Path, condition: str) -> None:
    assert len(said(tmp_path, "UnitFileState=enabled", condition)) == 1


def test_a_unit_that_this_host_does_not_have_is_a_warning(tmp_path: Path) -> None:
    program = systemctl(tmp_path, "Id=orders-db.service\nLoadState=not-found")
    (problem,) = problems(program)
    assert (problem.severity, problem.message) == ("warning", "there is no unit orders-db.service on this host")


@pytest.mark.parametrize("program", ["/no/such/systemctl", "fails"])
def test_a_host_without_systemd_is_a_warning(tmp_path: Path, program: str) -> None:
    if program == "fails":
        program = systemctl(tmp_path, code=1, before="echo 'System has not been booted with systemd' >&2")
    (problem,) = problems(program)
    assert problem.severity == "warning"
    assert "its unit cannot be looked at here" in problem.message


def test_every_unit_that_makes_the_service_active_is_looked_at_once_and_in_one_question(tmp_path: Path) -> None:
    text = FILE.replace(
        "unit: orders-db.service}\nhealth", "unit: orders-db.service, promote: {start: active.service}}\nhealth"
    )
    program = systemctl(tmp_path, "LoadState=loaded", "LoadState=loaded\nUnitFileState=enabled")
    (problem,) = problems(program, text)
    assert problem.path == "control.promote.start"
    assert (tmp_path / "asked").read_text().endswith("-- orders-db.service active.service\n")


def test_a_unit_that_hooks_start_is_looked_at_too(tmp_path: Path) -> None:
    hooks = "control: {kind: command, unit: orders-db.service, promote: {run: up}, demote: {run: down}}"
    text = FILE.replace("control: {kind: systemd, unit: orders-db.service}", hooks)
    unit = "Id=orders-db.service\nLoadState=loaded\nUnitFileState=enabled-runtime\nRestart=no"
    (problem,) = problems(systemctl(tmp_path, unit), text)
    assert str(problem).startswith(
        "f:4:32: control.unit: orders-db.service would start by itself at boot (it is enabled)"
    )


def test_without_units_nothing_is_asked(tmp_path: Path) -> None:
    text = FILE.replace("{kind: systemd, unit: orders-db.service}", "{kind: tcp, port: 5432}").replace(
        "control: {kind: tcp, port: 5432}",
        "control: {kind: command, standby: stopped, promote: {run: /bin/sh}, demote: {run: /bin/sh}}",
    )
    assert problems(systemctl(tmp_path), text) == []
    assert not (tmp_path / "asked").exists()


def test_a_systemctl_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    (problem,) = problems(systemctl(tmp_path, before="exec sleep 60"))
    assert problem.message.endswith(f"systemctl has not answered in {DEADLINE_S:g} s")
