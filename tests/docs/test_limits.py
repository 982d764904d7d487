"""What the limits page says is not there is not there, and what the configuration refuses as yet to come is on it."""

import re

from config.releases import LATER_KEYS, LATER_KINDS
from tests.docs.pages import ROOT

LIMITS = (ROOT / "docs" / "reference" / "limits.md").read_text("utf-8")
WITHOUT_EFFECT = {"limits.failovers": r"settings\.failovers", "limits.restarts": r"limits\.restarts"}


def test_every_kind_that_is_refused_as_coming_later_is_on_the_page() -> None:
    missing = [kind for kinds in LATER_KINDS.values() for kind in sorted(kinds) if f"`{kind}`" not in LIMITS]
    assert not missing, f"limits.md says nothing of {', '.join(missing)}"


def test_every_key_that_is_refused_as_coming_later_is_on_the_page() -> None:
    written = [".".join(map(str, path)) for path in LATER_KEYS]
    missing = [key for key in written if f"`{key}`" not in LIMITS and f"`{key}:" not in LIMITS]
    assert not missing, f"limits.md says nothing of {', '.join(missing)}"


def test_a_key_that_is_said_to_have_no_effect_has_none() -> None:
    """A decision is made in the core or the runtime: neither may look at the key."""
    places = [path for folder in ("core", "runtime") for path in (ROOT / "failover" / folder).glob("*.py")]
    for key, use in WITHOUT_EFFECT.items():
        assert f"| `{key}` |" in LIMITS
        used = [path.name for path in places if re.search(use, path.read_text("utf-8"))]
        assert not used, f"{key} is used in {', '.join(used)}: take it off the page, and describe it"
