"""What the limits page says is not there is not there, and what the configuration refuses as yet to come is on it."""

from config.releases import LATER_KEYS, LATER_KINDS
from tests.docs.pages import ROOT

LIMITS = (ROOT / "docs" / "reference" / "limits.md").read_text("utf-8")


def test_every_kind_that_is_refused_as_coming_later_is_on_the_page() -> None:
    missing = [kind for kinds in LATER_KINDS.values() for kind in sorted(kinds) if f"`{kind}`" not in LIMITS]
    assert not missing, f"limits.md says nothing of {', '.join(missing)}"


def test_every_key_that_is_refused_as_coming_later_is_on_the_page() -> None:
    written = [".".join(map(str, path)) for path in LATER_KEYS]
    missing = [key for key in written if f"`{key}`" not in LIMITS and f"`{key}:" not in LIMITS]
    assert not missing, f"limits.md says nothing of {', '.join(missing)}"
