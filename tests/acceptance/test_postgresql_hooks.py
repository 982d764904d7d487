"""The shipped hooks of PostgreSQL, each against real servers: what they answer, and what they leave behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.servers import postgresql
from tests.servers.guardian import scratch_folder
from tests.servers.postgresql import Postgres
from tests.servers.wait import eventually

pytestmark = pytest.mark.skipif(bool(postgresql.missing()), reason=f"no PostgreSQL: {', '.join(postgresql.missing())}")

Make = Callable[..., tuple[Postgres, Postgres]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes two servers that were copied from the same folder; none runs."""
    folder = scratch_folder("postgresql")
    folder.chmod(0o711)
    made: list[Postgres] = []

    def pair(**options: object) -> tuple[Postgres, Postgres]:
        for name in ("a", "b"):
            (folder / name).mkdir()
            made.append(Postgres(name, folder / name, folder))
            made[-1].prepare(**options)  # type: ignore[arg-type]
        return made[0], made[1]

    yield pair
    for server in made:
        server.destroy()
    shutil.rmtree(folder, ignore_errors=True)


def begin(pair: tuple[Postgres, Postgres]) -> tuple[Postgres, Postgres]:
    """a is active, b follows it."""
    a, b = pair
    for server in pair:
        server.must("demote")
    a.must("promote")
    b.must("follow", "a")
    assert a.insert(1)
    return a, b


def diverge(a: Postgres, b: Postgres) -> None:
    """a crashes with a commit that b never gets; b is promoted and goes on."""
    b.kill(signal.SIGINT)
    eventually(lambda: not b.processes(), 10, "b has ended")
    assert a.insert(666, commit="local")
    a.kill()
    b.must("demote")
    b.must("promote")
    assert b.insert(2, commit="local")
    a.must("demote")


def test_a_server_that_is_down_says_no_role_and_demote_starts_it_as_a_standby(make: Make) -> None:
    a, _ = make()
    down = a.hook("role")
    assert (down.returncode, "standby" in down.stdout) == (1, False)
    a.must("demote")
    assert a.must("role") == "standby\n"
    eventually(lambda: a.role() == "standby", 10, "it takes reads only")
    assert (a.data / "standby.signal").exists()


@pytest.mark.long
def test_promote_is_repeatable_and_lets_no_commit_through_that_is_on_one_node_only(make: Make) -> None:
    a, b = begin(make())
    assert a.must("promote").endswith("it is active\n")
    assert a.must("role") == "active\n"
    assert int(a.must("position")) >= int(b.must("position")) > 0
    assert b.must("ready") == ""
    b.kill(signal.SIGINT)
    eventually(lambda: not b.processes(), 10, "b has ended")
    assert not a.insert(2), "strict: it waits while there is no standby"
    assert a.insert(3, commit="local"), "unless the client says that it need not"


def test_demote_ends_every_process_of_a_primary_and_what_starts_again_is_a_standby(make: Make) -> None:
    a, b = begin(make())
    before = set(a.processes())
    assert before
    a.must("demote")
    assert not before & set(a.processes())
    assert a.must("role") == "standby\n"
    b.must("promote")
    a.must("follow", "b")
    assert b.insert(2)
    assert a.orders() == {1, 2}
    postmaster = a.postmaster()
    a.must("follow", "b")
    assert a.postmaster() == postmaster, "told again, it goes on"


@pytest.mark.long
def test_a_primary_that_does_not_answer_is_not_demoted(make: Make) -> None:
    a, _ = make(settings="fast_s=1\nimmediate_s=1\n")
    a.must("promote")
    a.kill(signal.SIGSTOP)
    assert a.hook("role").returncode == 2
    demoted = a.hook("demote")
    assert demoted.returncode == 2, demoted.stdout
    assert str(a.postmaster()) in demoted.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run hooks as another user")
@pytest.mark.parametrize("hook", ["role", "demote", "ready", "promote", "follow"])
def test_a_user_who_cannot_look_into_the_data_folder_is_told_nothing_of_the_server(make: Make, hook: str) -> None:
    a, _ = make()
    a.must("promote")
    words = [str(a.folder / "hooks" / hook)]
    asked = subprocess.run(
        words, capture_output=True, text=True, timeout=60, user="nobody", group="nogroup", check=False
    )
    assert asked.returncode == 2, asked.stdout
    assert "run as root or as postgres" in asked.stdout
    assert a.role() == "active"


def test_a_folder_without_a_database_is_demoted_unless_somebody_listens_on_its_port(make: Make) -> None:
    a, b = begin(make())
    settings = a.folder / "hooks" / "settings"
    settings.write_text(f"{settings.read_text()}data={a.folder}/nothing\nport={b.port}\n")
    assert a.hook("demote").returncode == 2
    settings.write_text(f"{settings.read_text()}port=1\n")
    assert a.must("demote").endswith("holds no database\n")


def test_a_server_that_somebody_else_starts_as_active_is_not_demoted(make: Make) -> None:
    a, _ = make()
    a.must("promote")
    start = f"pg_ctl start -W -s -D {a.data} -l {a.log} -o '-c config_file={a.config}'"
    systemctl = a.folder / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\n[ "$1" = start ] || exit 0\nrm {a.data}/standby.signal\n'
        f"cd / && exec setpriv --reuid={postgresql.owner()} --clear-groups {postgresql.binaries()}/{start} >/dev/null\n"
    )
    systemctl.chmod(0o755)
    settings = a.folder / "hooks" / "settings"
    settings.write_text(f"{settings.read_text()}unit=orders.service\nPATH={a.folder}:$PATH\n")
    demoted = a.hook("demote")
    assert (demoted.returncode, "not started as a standby" in demoted.stdout) == (2, True), demoted.stdout


def test_a_diverged_old_primary_is_rewound_and_follows(make: Make) -> None:
    a, b = begin(make())
    diverge(a, b)
    said = a.must("follow", "b")
    assert "rewound" in said
    assert b.insert(3), "strict again"
    assert a.orders() == b.orders() == {1, 2, 3}


def test_a_rewind_that_cannot_be_is_refused_and_touches_nothing(make: Make) -> None:
    a, b = begin(make(hints=False))
    diverge(a, b)
    postmaster = eventually(a.postmaster, 15, "a runs, as a standby")
    refused = a.hook("follow", "b")
    assert refused.returncode == 1, refused.stdout
    last = refused.stdout.splitlines()[-1]
    assert "wal_log_hints" in last
    assert "pg_basebackup" in last, "it says what to do next"
    assert a.postmaster() == postmaster, "it was not even stopped"
    assert not a.sql("SHOW primary_conninfo")
    assert a.orders() == {1, 666}
    for hook in ("ready", "promote"):
        answer = a.hook(hook)
        assert (answer.returncode, "has not caught up" in answer.stdout) == (1, True), answer.stdout


@pytest.mark.long
def test_what_cannot_be_rewound_is_cloned_where_settings_say_so_and_the_old_folder_is_kept(make: Make) -> None:
    a, b = begin(make(hints=False, settings="clone=yes\n"))
    diverge(a, b)
    a.must("follow", "b")
    assert b.insert(3)
    assert a.orders() == {1, 2, 3}
    assert len(list(a.folder.glob("data.old-*"))) == 1


def test_a_rewind_that_was_cut_off_is_no_database(make: Make) -> None:
    a, b = begin(make())
    a.must("demote")
    (a.folder / "data.rewinding").touch()
    for hook, active in (("ready", ""), ("promote", ""), ("follow", "a")):
        answer = a.hook(hook, active)
        assert answer.returncode == 1, f"{hook}: {answer.stdout}"
    b.must("promote")
    assert "cut off" in a.hook("follow", "b").stdout
