"""Every relative link leads to a file that is there, and to a heading that is in it."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, links, pages

ELSEWHERE = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    broken = [link for link in links(page) if not link.startswith(ELSEWHERE) and not _resolves(page, link)]
    assert not broken, f"{page.relative_to(ROOT)} has links to nothing: {', '.join(broken)}"


def _resolves(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(target)


def test_every_page_below_docs_is_reached_by_a_link() -> None:
    reached = {(page.parent / link.partition("#")[0]).resolve() for page in pages() for link in links(page)}
    lost = [
        str(page.relative_to(ROOT))
        for page in pages()
        if page.is_relative_to(ROOT / "docs") and page not in reached and page.parent not in reached
    ]
    assert not lost, f"no page leads to {', '.join(lost)}"
