"""How the site is made of the docs: ``tox -e docs``.

Its sources are the Markdown files of the whole repository as they are read on GitHub, so that a link from one to
another leads to the same place here and there.
"""

import sys
from pathlib import Path

from rqdeps.version import __version__

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "rqdeps"
author = "The rqdeps authors"
release = version = __version__
html_title = f"rqdeps {release}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    *(path.stem for path in Path(__file__).parent.glob("_extensions/*.py")),
]

# What is a page

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "examples/**.md", "benchmarks/**.md"]
exclude_patterns = [".*", "**/.*", "build", "dist", "rqdeps", "tests"]

# Markdown

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

# Docstrings

autodoc_member_order = "alphabetical"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_display_short_literal_types = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True

nitpick_ignore_regex = [
    # what others document: Python (the last two as Python 3.10 does not know them), redis-py
    (r"py:class", r"(collections(\.abc)?|datetime|os|redis)\..+|Redis|datetime|timedelta|Self|Unpack"),
    # type variables, and values of Literal
    (r"py:class", r"(.+\.)?(D|P|R|R2|R_co|T)|'.+'"),
]

# what goes by a name that two classes have; code that is cut short with an ellipsis
suppress_warnings = ["ref.python", "misc.highlighting_failure"]

# What it looks like: furo alone, with nothing from other servers

html_theme = "furo"
html_copy_source = False
html_domain_indices = False
html_show_copyright = False
html_show_sourcelink = False
html_use_index = False
smartquotes = False  # which would take --burst for a dash
toc_object_entries_show_parents = "hide"
html_additional_pages = {"index": "to_the_docs.html"}
templates_path = ["_templates"]
