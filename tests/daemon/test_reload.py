"""What a reload may take, key by key: the rest stays as it was, by name."""

from __future__ import annotations

from typing import Any

import pytest

from config.loading import examine_text
from config.models import Config
from failover.daemon.reload import may_take

FILE: dict[str, str] = {
    "service": "orders-db",
    "node": "db1",
    "store": "{kind: zookeeper, hosts: [zk1:2181]}",
    "nodes": "{db1: {address: 10.0.0.1}, db2: {address: 10.0.0.2}}",
    "control": "{kind: command, promote: {run: /bin/up}, demote: {run: /bin/down, timeout: 1s}, role: {run: /bin/is}}",
    "health": "[{kind: tcp, port: 5432}]",
    "fencing": "{methods: {power: {kind: command, run: /sbin/fence}}}",
}


def config(**changes: str) -> Config:
    text = "\n".join(f"{key}: {value}" for key, value in {**FILE, **changes}.items())
    examined = examine_text(text, "orders-db.yaml")
    assert examined.config is not None, examined.problems
    return examined.config


def dump(config: Config) -> dict[str, Any]:
    """Every key: two configurations are equal only if their warnings stand in the same places, too."""
    return config.model_dump()


OLD = config()
CONTROL = FILE["control"]


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": "5"},
        {"candidate": "false"},
        {"health": "[{kind: tcp, port: 5433, every: 2s}]"},
        {"limits": "{within: 5m, head_start: 2s}"},
        {"fencing": "{methods: {power: {kind: command, run: /sbin/other}}, timeout: 1m}"},
        {"nodes": FILE["nodes"].replace("10.0.0.2", "10.0.0.3")},
        {"on_stop": "keep"},
        {"control": CONTROL.replace("/bin/up", "/bin/up2").replace("1s", "2s")},
        {"control": CONTROL[:-1] + ", follow: {run: /bin/follow}}"},
        {"control": CONTROL[:-1] + ", position: {run: /bin/position}}"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_moves_nothing_is_taken(changes: dict[str, str]) -> None:
    new = config(**changes)
    taken, refused = may_take(OLD, new)
    assert refused == []
    assert dump(taken) == dump(new)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"service": "others-db"}, "service"),
        ({"node": "db2"}, "node"),
        ({"state_dir": "/run/other"}, "state_dir"),
        ({"on_store_loss": "step_down"}, "on_store_loss"),
        ({"store": "{kind: zookeeper, hosts: [zk1:2181], root: /other}"}, "store.root"),
        ({"store": "{kind: zookeeper, hosts: [zk2:2181]}"}, "store.hosts"),
        ({"store": "{kind: local, path: /run/orders}"}, "store.kind"),
        ({"api": "{listen: 127.0.0.1:8301, advertise: 127.0.0.1:8300}"}, "api.listen"),
        ({"nodes": FILE["nodes"].replace("10.0.0.1", "10.0.0.3")}, "nodes.db1"),
        ({"control": CONTROL.replace("kind: command", "kind: command, standby: stopped")}, "control.standby"),
        ({"watchdog": "{mode: 'off'}"}, "watchdog"),
        ({"control": "{kind: systemd, unit: orders-db.service, standby: stopped}"}, "control.kind"),
    ],
)
def test_what_others_know_us_by_stays_and_the_rest_is_taken(changes: dict[str, str], name: str) -> None:
    taken, refused = may_take(OLD, config(priority="5", **changes))
    assert name in refused
    assert all(each == name or each.startswith(f"{name}.") for each in refused) or name == "node"
    assert dump(taken) == {**dump(OLD), "priority": 5}


def test_under_step_down_the_demotes_deadline_stays_for_the_lease_was_reckoned_with_it_s6() -> None:
    old = config(on_store_loss="step_down")
    control = CONTROL.replace("1s", "500ms").replace("/bin/down", "/bin/down2")
    taken, refused = may_take(old, config(on_store_loss="step_down", control=control))
    assert refused == ["control.demote.timeout"]
    assert taken.control.demote.timeout == old.control.demote.timeout
    assert taken.control.demote != old.control.demote, "its command is taken"
