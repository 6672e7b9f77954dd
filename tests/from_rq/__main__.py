"""Writes the page anew."""

from __future__ import annotations

from from_rq.document import PAGE, page
from from_rq.installed import installed_names
from from_rq.verdicts import Verdicts

PAGE.write_text(page(installed_names(), Verdicts()), "utf-8")
