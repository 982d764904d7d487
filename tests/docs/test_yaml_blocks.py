"""Every piece of configuration in the documentation is one that failoverd takes.

A block that begins with `# fragment` holds sections; it is put over a whole file in place of the same sections.
"""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from config import examine_text
from tests.docs.pages import ROOT, Block, blocks, pages

FRAGMENT = "# fragment"
WHOLE = """
service: orders-db
node: db1
store: {kind: zookeeper, hosts: [zk1:2181]}
control:
  {kind: command, standby: stopped, promote: {run: /etc/failoverd/promote}, demote: {run: /etc/failoverd/demote}}
health: [{kind: tcp, port: 5432}]
fencing: {methods: {power: {kind: command, run: [/etc/failoverd/power-off, "{node.name}"]}}}
api: {listen: 10.0.0.11:8300, peer_secret: {file: /etc/failoverd/peer.secret}}
"""
_HEREDOC = re.compile(r"<<'END'\n(service: .*?)^END$", re.MULTILINE | re.DOTALL)


def written() -> list[Block]:
    """YAML blocks, and files that a shell block writes."""
    found = [block for page in pages() for block in blocks(page)]
    files = [Block(block.page, block.line, "yaml", text) for block in found for text in _HEREDOC.findall(block.text)]
    return [block for block in found if block.language in {"yaml", "yml"}] + files


def whole(text: str) -> str:
    if not text.startswith(FRAGMENT):
        return text
    yaml = YAML(typ="safe", pure=True)
    sections: dict[str, Any] = {**yaml.load(WHOLE), **yaml.load(text)}
    out = StringIO()
    yaml.dump(sections, out)
    return out.getvalue()


@pytest.mark.parametrize("block", written(), ids=lambda block: block.where)
def test_every_yaml_block_is_taken_by_the_configuration(block: Block) -> None:
    examined = examine_text(whole(block.text), Path(block.page.name), read_secrets=False)
    mistakes = [str(problem) for problem in examined.problems if problem.severity == "error"]
    assert examined.config is not None, "\n".join([block.where, *mistakes])


def test_there_are_whole_files_and_fragments() -> None:
    assert {block.text.startswith(FRAGMENT) for block in written()} == {True, False}, "nothing was looked at"
    assert any(block.page == ROOT / "docs" / "tutorial.md" for block in written())
