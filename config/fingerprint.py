"""A short hash of the settings that must agree between the nodes of a service.

Knows nothing of secrets: none is in it.
"""

import hashlib
import json

from config.models import Config

LENGTH = 12


def config_hash(config: Config) -> str:
    """Give 12 hex digits over service, fence chain, limits and the store's root (or path)."""
    store = config.store
    agreed = {
        "service": config.service,
        "store": [store.kind, store.root if store.kind == "zookeeper" else str(store.path)],
        "fencing": config.fencing.model_dump(mode="json"),
        "limits": config.limits.model_dump(mode="json"),
    }
    text = json.dumps(agreed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
