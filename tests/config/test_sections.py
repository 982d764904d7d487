"""What each section wants, in words; and what a minimal file gets by default."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.models import Config
from tests.config.conftest import GOOD, Files


def test_a_minimal_file_gets_the_documented_defaults(files: Files) -> None:
    config = files.load()
    assert config.state_dir == Path("/run/failoverd")
    assert (config.priority, config.candidate, config.on_store_loss) == (0, True, "hold")
    probe = config.health[0]
    assert (probe.every, probe.timeout, probe.rise, probe.fall) == (1.0, 0.5, 1, 2)
    limits = config.limits
    assert (limits.failovers, limits.within, limits.head_start, limits.restarts) == (5, 600.0, 1.0, 0)
    assert (limits.retry.first, limits.retry.longest) == (1.0, 60.0)
    assert (config.api.listen, config.api.advertise) == ("127.0.0.1:8300", "127.0.0.1:8300")


def test_the_node_is_the_host_unless_written() -> None:
    import socket

    assert Config.model_fields["node"].get_default(call_default_factory=True) == socket.gethostname()


def test_a_config_cannot_be_changed(files: Files) -> None:
    config = files.load()
    with pytest.raises(ValidationError):
        config.priority = 5
    with pytest.raises(ValidationError):
        config.limits.failovers = 5


def test_each_method_is_a_level_in_the_order_of_writing(files: Files) -> None:
    text = GOOD + "    b: {kind: command, run: /bin/sh}\n    a: {kind: command, run: /bin/sh}\n"
    assert files.load(text).fencing.levels == (("power",), ("b",), ("a",))


def test_a_short_interval_shortens_the_default_timeout(files: Files) -> None:
    config = files.load(GOOD.replace("port: 5432", "port: 5432, every: 200ms"))
    assert config.health[0].timeout == 0.2


def test_a_local_store_needs_a_path_only(files: Files) -> None:
    text = GOOD.replace("kind: zookeeper\n  hosts: [zk1:2181]", "kind: local\n  path: /tmp/x")
    store = files.load(text).store
    assert store.kind == "local"
    assert store.path == Path("/tmp/x")


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("fencing", "1:1: fencing: is required; without fencing nobody can be promoted safely after a failure"),
        ("health", "1:1: health: is required; without a probe the service is never known to be healthy"),
    ],
)
def test_a_file_without_fencing_or_health_is_refused_with_the_reason(section: str, line: str, files: Files) -> None:
    kept, inside = [], False
    for written in GOOD.splitlines(keepends=True):
        if not written.startswith(" "):
            inside = written.startswith(f"{section}:")
        if not inside:
            kept.append(written)
    assert files.errors("".join(kept)) == [line]
