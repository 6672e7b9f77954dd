"""``python -m benchmarks``, from a checkout."""

from __future__ import annotations

import signal
import sys

from benchmarks.commands import main

# Whoever ends this ends the server and the workers too, which are in sessions of their own.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

main(prog_name="python -m benchmarks")
