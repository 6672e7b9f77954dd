"""The docs as a whole: their links lead somewhere, and the reference knows all that is exported."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import rqdeps
from rqdeps import errors, testing

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# Links

PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *ROOT.glob("examples/**/*.md"), ROOT / "benchmarks/README.md"]
)

_CODE = re.compile(r"^(```+).*?^\1$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^(```+).*?^\1$", re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: a second of the same name gets a number."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text("utf-8"))):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors_of(target), link


def test_the_first_page_leads_to_every_other() -> None:
    index = DOCS / "index.md"
    text = index.read_text("utf-8")
    pages = {page.name for page in DOCS.glob("*.md")} - {index.name}
    assert set(_LINK.findall(text)) >= pages, "for who reads it"
    listed = {
        line
        for block in re.findall(r"^```{toctree}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for line in block.split()
    }
    assert listed >= {page.removesuffix(".md") for page in pages}, "for the list of pages beside each"


# The reference

_DOCUMENTED = re.compile(r"^\.\. (?:auto|py:)(?:class|data|exception|function):: ([\w.]+)$", re.MULTILINE)


def documented() -> list[str]:
    """The full names that the pages of the reference have."""
    return [
        name for page in (DOCS / "api.md", *DOCS.glob("api/*.md")) for name in _DOCUMENTED.findall(page.read_text())
    ]


def found(name: str) -> Any:
    """What has a full name."""
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


def test_the_reference_has_all_that_is_exported_and_nothing_that_is_not() -> None:
    names = documented()
    assert not [name for name, times in Counter(names).items() if times > 1]
    of = {
        module: {name.rpartition(".")[2] for name in names if name.rpartition(".")[0] == module}
        for module in ("rqdeps", "rqdeps.testing")
    }
    assert of["rqdeps"] == set(rqdeps.__all__)
    assert of["rqdeps.testing"] == set(testing.__all__)
    assert all(found(name) is not None for name in names)


def test_the_reference_has_every_error_that_a_program_may_meet() -> None:
    inside = {errors.ClaimLostError, errors.GraphAbandonedError}
    every = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, rqdeps.RqdepsError)}
    assert {found(name) for name in documented()} & every == every - inside
