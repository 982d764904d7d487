"""check-config, schema, format, demo: what needs no controller."""

from pathlib import Path

import pytest

from tests.cli.conftest import run_command
from tests.servers.ports import free_port

GOOD = """\
service: orders-db
node: db1
state_dir: {folder}
store: {store}
nodes:
  db1: {{address: 127.0.0.1}}
  db2: {{address: 127.0.0.1}}
control:
  kind: command
  standby: stopped
  promote: {{run: /bin/true}}
  demote: {{run: /bin/true}}
health:
  - {{kind: tcp, port: 5432}}
fencing:
  methods:
    hook: {{kind: command, run: [{folder}/fence, "{{node.name}}"]}}
"""


def config(folder: Path, store: str = "") -> Path:
    path = folder / "orders-db.yaml"
    store = store or f"{{kind: local, path: {folder / 'store'}}}"
    fence = folder / "fence"
    fence.write_text("#!/bin/sh\nexit 2\n", encoding="utf-8")
    fence.chmod(0o755)
    path.write_text(GOOD.format(folder=folder, store=store), encoding="utf-8")
    return path


def test_a_good_file_is_exit_0(tmp_path: Path) -> None:
    ran = run_command("check-config", config(tmp_path))
    assert ran.code == 0, ran.out
    assert "good" in ran.out
    assert run_command("check-config", config(tmp_path), "--json").told["ok"] is True


def test_a_good_file_is_told_how_long_a_failover_may_take_and_a_bad_one_is_not(tmp_path: Path) -> None:
    store = "{kind: zookeeper, hosts: [zk1], session_timeout: 8s, tick_time: 500ms}"
    path = config(tmp_path, store)
    assert "\nworst-case failover " in run_command("check-config", path).out
    timing = run_command("check-config", path, "--json").told["timing"]
    parts = [timing[name] for name in ("session_timeout_s", "expiry_s", "head_start_s", "fence_s", "promote_s")]
    assert parts[:2] == [8.0, 0.75]
    assert timing["worst_case_host_lost_s"] == sum(parts)
    assert timing["worst_case_failover_s"] >= timing["worst_case_host_lost_s"]
    path.write_text(path.read_text().replace("kind: zookeeper", "kind: zoo"))
    ran = run_command("check-config", path)
    assert "worst-case" not in ran.out
    assert run_command("check-config", path, "--json").told["timing"] is None


def test_every_mistake_is_told_at_once_with_its_place_and_exit_10(tmp_path: Path) -> None:
    path = config(tmp_path)
    wrong = path.read_text().replace("promote:", "promot:").replace("port: 5432", "port: many")
    path.write_text(wrong)
    ran = run_command("check-config", path)
    assert ran.code == 10
    for words in (f"{path}:11:", f"{path}:14:", "promot", "port"):
        assert words in ran.out
    told = run_command("check-config", path, "--json").told
    assert told["ok"] is False
    assert {"file", "line", "column", "path", "message", "hint", "severity"} <= set(told["problems"][0])


def test_a_missing_file_is_exit_10(tmp_path: Path) -> None:
    ran = run_command("check-config", tmp_path / "none.yaml")
    assert ran.code == 10
    assert "none.yaml" in ran.out


def test_the_schema_is_json_for_editors() -> None:
    told = run_command("schema").told
    assert told["$schema"].startswith("https://json-schema.org/")
    assert "service" in told["properties"]


def test_format_makes_the_paths_once(tmp_path: Path) -> None:
    path = config(tmp_path)
    ran = run_command("format", path)
    assert ran.code == 0, ran.err
    assert ran.out.strip()
    assert run_command("format", "--config", path, "--json").told["ok"] is True


def test_format_with_a_wrong_file_is_exit_10(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("service: x\n")
    ran = run_command("format", path)
    assert ran.code == 10
    assert "store" in ran.err


def test_format_without_a_store_is_exit_6(tmp_path: Path) -> None:
    path = config(tmp_path, f"{{kind: zookeeper, hosts: ['127.0.0.1:{free_port()}']}}")
    ran = run_command("format", path, "--json")
    assert ran.code == 6
    assert ran.told["exit"] == "store_unreachable"
    assert "connecting" in ran.err


@pytest.mark.zookeeper
def test_format_is_refused_with_exit_2_while_a_node_may_be_active(
    zookeeper: object, zk_root: str, tmp_path: Path
) -> None:
    from kazoo.client import KazooClient

    from failover.core.values import Breadcrumb, Node
    from failover.stores.codec import encode_breadcrumb

    address = f"127.0.0.1:{zookeeper.port}"  # type: ignore[attr-defined]
    path = config(tmp_path, f"{{kind: zookeeper, hosts: ['{address}'], root: {zk_root}}}")
    assert run_command("format", path).code == 0
    client = KazooClient(address)
    client.start()
    try:
        crumb = encode_breadcrumb(Breadcrumb(Node("db1", "m1"), 7, "b"))
        client.create(f"{zk_root}/orders-db/ActiveBreadCrumb", crumb)
    finally:
        client.stop()
        client.close()
    ran = run_command("format", path)
    assert ran.code == 2
    assert "--yes-i-mean NODE" in ran.err
    assert run_command("format", path, "--yes-i-mean", "db2").code == 2
    assert run_command("format", path, "--yes-i-mean", "db1").code == 0
