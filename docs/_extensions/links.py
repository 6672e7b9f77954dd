"""Links that Markdown and docstrings leave to the reader: to folders, to names without their module, in code."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from itertools import takewhile
from posixpath import dirname, join, normpath

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

#: Where what stands in code is the name of something here, such as ``Job.requeue``.
_REFERENCE = "docs/api/"
_NAME = re.compile(r"[A-Z]\w+(\.\w+)?")


def lead_folders_to_their_readme(app: Sphinx, doctree: nodes.document) -> None:
    """A link to a folder leads to its README, as on GitHub. Pages outside of docs/ are found by links alone."""
    if not app.env.docname.startswith("docs/"):
        app.env.metadata[app.env.docname]["orphan"] = True
    for link in doctree.findall(addnodes.pending_xref):
        if link["reftype"] == "myst" and link["refdomain"] is None:
            readme = normpath(join(dirname(app.env.docname), link["reftarget"], "README"))
            if readme in app.env.found_docs:
                link.attributes.update(refdomain="doc", reftarget=readme, reftargetid=None)


def find_by_last_name(
    app: Sphinx, env: BuildEnvironment, link: addnodes.pending_xref, shown: nodes.TextElement
) -> nodes.reference | None:
    """A type leads to what is documented under its name, whichever module it was imported from."""
    target = link["reftarget"]
    found = _documented(env)[target.rpartition(".")[2]] if link["refdomain"] == "py" else []
    if not found:
        return None
    nearest = max(found, key=lambda name: _parts_in_common(name, target))
    return _reference(app, link["refdoc"], nearest, shown)


def link_names_in_code(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """``Job.requeue`` in a docstring leads there."""
    if not docname.startswith(_REFERENCE):
        return
    for literal in list(doctree.findall(nodes.literal)):
        name = literal.astext()
        if _NAME.fullmatch(name) and not isinstance(literal.parent, nodes.reference):
            found = [full for full in _documented(app.env)[name.rpartition(".")[2]] if full.endswith(f".{name}")]
            if len(found) == 1:
                literal.replace_self(_reference(app, docname, found[0], literal.deepcopy()))


@cache
def _documented(env: BuildEnvironment) -> defaultdict[str, list[str]]:
    """The full names of all that is documented, by the last parts of them."""
    found = defaultdict(list)
    for full in env.domains["py"].objects:
        found[full.rpartition(".")[2]].append(full)
    return found


def _parts_in_common(name: str, other: str) -> int:
    pairs = zip(name.split("."), other.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _reference(app: Sphinx, docname: str, full: str, shown: nodes.Node) -> nodes.reference:
    entry = app.env.domains["py"].objects[full]
    uri = app.builder.get_relative_uri(docname, entry.docname)
    return nodes.reference("", "", shown, internal=True, refuri=f"{uri}#{entry.node_id}", reftitle=full)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects them."""
    app.connect("doctree-read", lead_folders_to_their_readme)
    app.connect("missing-reference", find_by_last_name)
    app.connect("doctree-resolved", link_names_in_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
