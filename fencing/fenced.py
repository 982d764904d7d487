"""Which boots of which hosts have ended for certain: shared by all services' controllers on this host.

Two services whose actives were on the same machine need one power strike, not two: after a power level was done and
verified, that very boot has ended, and it stays so for ever. A host that has booted since has another boot-id.
Nothing here strikes; a record that others could have written is not believed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import stat
from pathlib import Path

from failover.core.values import Breadcrumb, Node
from failover.support.private_files import NotBelieved, read_private, write_private

FOLDER = ".fenced"  # beside the services' own folders, whose names never begin with a dot
MOST = 200
LARGEST = 4096
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}", re.ASCII)

log = logging.getLogger("failoverd")


class EndedBoots:
    """`folder`: one for all services of this host. `service`: in whose name records are written."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder = folder
        self._service = service

    def off_since(self, target: Breadcrumb) -> str:
        """How it is known that this boot has ended; "" if it is not."""
        path = self._path(target)
        if path is None or not self._is_private():
            return ""
        try:
            data = read_private(path, LARGEST)
        except NotBelieved as why:
            log.error("%s is not believed: %s", path, why)
            return ""
        record = _record(data)
        if record is None or record.get("boot_id") != target.boot_id:
            return ""
        if record.get("machine_id") != target.node.machine_id:
            return ""
        epoch = record.get("epoch")
        if record.get("service") == self._service and isinstance(epoch, int) and target.epoch > epoch:
            return ""  # active again since, in that very boot (a container's is its host's): it has not ended
        return f"already off: fenced at {record.get('at', '?')} by service {record.get('service', '?')}"

    def ended(self, target: Breadcrumb, at: str) -> None:
        """The power of that host was taken, and verified."""
        path = self._path(target)
        if path is None:
            return
        record = {
            "machine_id": target.node.machine_id,
            "boot_id": target.boot_id,
            "node": target.node.name,
            "service": self._service,
            "epoch": target.epoch,
            "at": at,
        }
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, json.dumps(record).encode())
            self._drop_oldest()
        except OSError as error:
            log.warning("%s cannot be written: %s; another service may strike %s again", path, error, target.node.name)

    def lives(self, node: Node, boot_id: str) -> None:
        """A new sign of life of that boot: a record that says that it has ended is wrong, and goes."""
        target = Breadcrumb(node, 0, boot_id)
        known, path = self.off_since(target), self._path(target)
        if known and path is not None:
            log.error("%s lives in the very boot that is %s: that fence does not work, look at it", node.name, known)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _path(self, target: Breadcrumb) -> Path | None:
        """None: not the ids of a machine and of a boot, which nothing can be said of."""
        if not _ID.fullmatch(target.node.machine_id) or not _ID.fullmatch(target.boot_id):
            return None
        return self._folder / f"{target.node.machine_id}.{target.boot_id}.json"

    def _is_private(self) -> bool:
        """Whether nobody else could have put a file there, not even one that was made elsewhere with the right mode."""
        try:
            found = os.stat(self._folder, follow_symlinks=False)
        except OSError:
            return False
        owned = stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid())
        return owned and not stat.S_IMODE(found.st_mode) & 0o022

    def _drop_oldest(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MOST]:
            path.unlink(missing_ok=True)


def _record(data: bytes | None) -> dict[str, object] | None:
    try:
        record = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
