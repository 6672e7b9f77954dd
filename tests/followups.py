"""What follows the end of a job in tests: callbacks and exception handlers, which say in its log what they get."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time

from rqdeps import get_current_job


def _say(job, text):
    current = get_current_job()
    assert current.id == job.id
    current.log(text)


def succeeded(job, connection, result):
    assert connection.ping()
    _say(job, f"succeeded with {result!r}, {job.get_status().value}")


def failed(job, connection, kind, error, stack):
    assert connection.ping()
    assert kind is type(error)
    _say(job, f"failed with {kind.__name__}: {error}, {'no stack' if stack is None else 'a stack'}")


def stopped(job, connection):
    assert connection.ping()
    _say(job, f"stopped, {job.get_status().value}, in process {os.getpid()}")


async def succeeded_later(job, connection, result):
    await asyncio.sleep(0)
    _say(job, f"succeeded later with {result!r}")


def raise_error(job, connection, *others):
    _say(job, "raises")
    raise LookupError("of the callback")


def leave(job, connection, *others):
    sys.exit(4)


def die(job, connection, *others):
    _say(job, "dies")
    os.kill(os.getpid(), signal.SIGKILL)


def close_files(job, connection, *others):
    """So that its process can't report any more."""
    os.closerange(3, 200)


def hang(job, connection, *others):
    time.sleep(60)


def hang_for_good(job, connection, *others):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


def wait_for_release(job, connection, *others):
    """Says that it runs by the fifos that its job was given, and goes on when it may."""
    here, release = job.args
    with open(here, "w") as opened:
        opened.write(str(os.getpid()))
    with open(release) as opened:
        opened.read()
    _say(job, "released")


# Exception handlers


def handle(job, kind, error, stack):
    _say(job, f"handled {kind.__name__}: {error}, {'no stack' if stack is None else 'a stack'}")


def handle_and_end(job, kind, error, stack):
    _say(job, "handled, and that is all")
    return False


def handle_badly(job, kind, error, stack):
    raise LookupError("of the handler")


async def handle_later(job, kind, error, stack):
    await asyncio.sleep(0)
    _say(job, f"handled later: {error}")
