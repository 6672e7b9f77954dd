"""What workers are told to call and to load in tests, and jobs that look at what came of it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from steps import note

calls = []


def set_up():
    calls.append(os.getpid())


async def set_up_later():
    await asyncio.sleep(0)
    calls.append(os.getpid())


def calls_here():
    """In which processes it was set up that led to this one, and whether the last is this."""
    return [len(calls), calls[-1] == os.getpid()]


def fail():
    raise LookupError("no database")


def leave():
    sys.exit("enough")


def fail_at_times():
    """Works, fails twice, and works again. Counts in a file, as each process is set up anew."""
    log = Path(os.environ["RQDEPS_TEST_LOG"])
    note(log, os.getpid())
    if len(log.read_text().splitlines()) in {2, 3}:
        raise LookupError("no database now")


def fail_but_once():
    """Works the first time only. Counts in a file, as each process is set up anew."""
    log = Path(os.environ["RQDEPS_TEST_LOG"])
    note(log, os.getpid())
    if len(log.read_text().splitlines()) > 1:
        raise LookupError("no database any more")


def is_imported(name):
    return name in sys.modules


not_callable = 5
