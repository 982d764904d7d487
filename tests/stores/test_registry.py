"""The registry of stores and the configuration's kinds are the same."""

from pathlib import Path

from config.models.store import STORE_KINDS
from failover.stores import STORES


def test_every_kind_that_can_be_configured_has_a_store_and_no_other() -> None:
    assert set(STORES) == set(STORE_KINDS)


def test_each_factory_makes_the_store_of_its_kind(tmp_path: Path) -> None:
    made = {
        "zookeeper": STORES["zookeeper"](["127.0.0.1:1"], "orders-db", "/failover", 6.0),
        "local": STORES["local"](str(tmp_path), "orders-db"),
    }
    for kind, store in made.items():
        assert store.traits.kind == kind
        store.shut_down()
