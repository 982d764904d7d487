"""The generated pages say what the code says now."""

import subprocess
import sys

from scripts import generate_docs
from tests.docs.pages import ROOT


def test_no_generated_page_has_fallen_behind_the_code() -> None:
    behind = [str(page.relative_to(ROOT)) for page in generate_docs.outdated()]
    assert not behind, f"run scripts/generate_docs.py; these differ: {', '.join(behind)}"


def test_the_script_finds_nothing_to_write() -> None:
    script = ROOT / "scripts" / "generate_docs.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_exit_code_has_a_name_of_its_own_and_is_on_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text("utf-8")
    for kind in (generate_docs.command_codes.ExitCode, generate_docs.daemon_codes.ExitCode):
        for code in kind:
            assert f"| {code.value} | `{code.name.lower()}` |" in page
