"""``python -m benchmarks``, from a checkout."""

from __future__ import annotations

from benchmarks.commands import main

main(prog_name="python -m benchmarks")
