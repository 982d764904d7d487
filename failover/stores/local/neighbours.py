"""The other services in the same folder: who holds their locks, and their breadcrumbs. Best effort.

Deliberately unknown here: who asks, and what the records mean.
"""

from __future__ import annotations

from urllib.parse import unquote

from failover.ports.store import MOST_NEIGHBOURS, Neighbour
from failover.stores.local.files import BusyError
from failover.stores.local.folder import ServiceFolder


def neighbours_of(folder: ServiceFolder) -> tuple[Neighbour, ...]:
    """One that cannot be read is left out. Ends at the first that is busy: renewals wait behind this."""
    root, found = folder.base.parent, []
    for path in sorted(root.iterdir())[: MOST_NEIGHBOURS + 1]:
        other = ServiceFolder(str(root), unquote(path.name))
        if path == folder.base or not other.formatted():
            continue
        try:
            with other.mutex.held():
                neighbour = Neighbour(unquote(path.name), other.lock(), other.crumb())
        except BusyError:
            break
        except OSError:
            continue
        if neighbour.crumb.record is not None or neighbour.crumb.error:
            found.append(neighbour)
    return tuple(found)
