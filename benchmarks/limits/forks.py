"""Fork and wait, with nothing in between."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.processes import ROOT

#: What a program has imported at least that works on Redis: a fork copies the tables of its memory, so this counts.
LEAST = "import redis"

FORKS = """
import os, sys, time
exec(sys.argv[2])
count, until = 0, time.perf_counter() + float(sys.argv[1])
begun = time.perf_counter()
while (now := time.perf_counter()) < until:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    count += 1
print(count / (now - begun))
"""


def forks_a_second(seconds: float, statement: str = LEAST) -> float:
    """How many processes a Python forks and waits for, one after the other.

    Args:
        seconds: how long to try.
        statement: what it has carried out before.
    """
    command = [sys.executable, "-c", FORKS, str(seconds), statement]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def start_seconds(statement: str) -> float:
    """How long a Python takes that carries out one statement, from its start to its end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)
    return time.perf_counter() - begun
