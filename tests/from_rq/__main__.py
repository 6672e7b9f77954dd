"""Writes the page anew: ``python -m from_rq`` in the folder ``tests``, with the output of ``names.py`` on its input."""

from __future__ import annotations

import sys

from from_rq.document import PAGE, page
from from_rq.names import read
from from_rq.verdicts import Verdicts

PAGE.write_text(page(read(sys.stdin.read()), Verdicts()), "utf-8")
