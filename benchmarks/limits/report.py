"""Measures the limits, and writes them as a table."""

from __future__ import annotations

import re
import shutil
import subprocess
from statistics import median

from benchmarks.limits.connection import PIPELINE, SETTLE_AND_CLAIM, connection_limits
from benchmarks.limits.forks import LEAST, forks_a_second, start_seconds
from benchmarks.server import Server

#: Programs that measure the same without Python in the way, where one is installed.
PROGRAMS = ("valkey-benchmark", "redis-benchmark")

RATE = re.compile(r"([0-9.]+) requests per second")

#: How often each program is started.
STARTS = 5


def limits(server: Server, seconds: float) -> list[tuple[str, str]]:
    """What was found: title and value.

    Args:
        server: a server without data.
        seconds: how long to try each.
    """
    rows = [(title, f"{rate:,.0f}/s") for title, rate in connection_limits(server, seconds).items()]
    rows.append((f"{' or '.join(PROGRAMS)} of that script, pipelines of {PIPELINE}", _by_program(server)))
    for statement in ("pass", LEAST):
        rate = forks_a_second(seconds, statement)
        rows.append((f"bare fork and wait, in a Python with `{statement}`", f"{rate:,.0f}/s"))
    for statement in ("pass", LEAST, "import rqdeps"):
        taken = median(start_seconds(statement) for _ in range(STARTS))
        rows.append((f"start of Python with `{statement}`", f"{1000 * taken:,.0f} ms"))
    return rows


def _by_program(server: Server) -> str:
    """What such a program says, with one connection."""
    for name in PROGRAMS:
        if program := shutil.which(name):
            command = [program, "-q", "-p", str(server.port), "-c", "1", "-n", "100000", "-P", str(PIPELINE)]
            command += ["EVAL", SETTLE_AND_CLAIM, "2", "started", "queue", "1"]
            said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
            if found := RATE.search(said):
                return f"{float(found[1]):,.0f}/s"
    return "none is installed here"
