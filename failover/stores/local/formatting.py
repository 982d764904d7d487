"""`format` for the local store: makes the folder, and refuses where somebody is or may be active.

Deliberately unknown here: how the operator is asked.
"""

from __future__ import annotations

from dataclasses import replace

from failover.ports.store import FormatError
from failover.stores.local.folder import ServiceFolder

FAILED, REFUSED = 1, 2


def format_folder(folder: ServiceFolder, force_name: str | None) -> str:
    """Make the folder and say what was done. Raises FormatError."""
    try:
        made = folder.make()
        with folder.mutex.held():
            marked = _look(folder, force_name)
    except OSError as error:
        raise FormatError(f"{folder.base} was not formatted: {error}", FAILED) from None
    done = f"{folder.base} is formatted" if made else f"{folder.base} was formatted already"
    return f"{done}; the breadcrumb of {marked} is marked clean, as you said" if marked else done


def _look(folder: ServiceFolder, force_name: str | None) -> str:
    if folder.lock() is not None:
        raise FormatError(f"{folder.lock_file} is held: stop the service's controllers", REFUSED)
    crumb = folder.crumb()
    if crumb.error:
        raise FormatError(f"{crumb.error}; it is never overwritten", REFUSED)
    if crumb.record is None or crumb.record.clean:
        return ""
    name = crumb.record.node.name
    if name != force_name:
        raise FormatError(
            f"{name} was active last (epoch {crumb.record.epoch}) and did not step down cleanly: it may still"
            " be active. Make sure that it is not, then type its name to go on",
            REFUSED,
        )
    folder.write_crumb(replace(crumb.record, clean=True), crumb.version + 1)
    return name
