"""Jobs that take longer than they may."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import threading
import time
from collections import deque

from steps import note


def hold_the_interpreter():
    """One call in C that never ends and never looks at signals."""
    deque(itertools.repeat(None), maxlen=0)


def match_for_ever():
    """A call in C that looks at signals now and then."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


def swallow_everything():
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def block_alarm():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


def clean_up(path):
    try:
        time.sleep(60)
    finally:
        note(path, "cleaned up")


def wait_for_thread():
    threading.Event().wait()


def catch_it_and_go_on():
    with contextlib.suppress(Exception):
        time.sleep(60)
    return "in time, as it were"


async def sleep(path):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        note(path, "cleaned up")
        raise


async def sleep_in_tasks(path):
    await asyncio.gather(*(sleep(path) for _ in range(3)))


async def sleep_in_task_group_of_its_own(path):
    """Tasks that nobody awaits are cancelled when the loop ends."""
    task = asyncio.create_task(sleep(path))
    await asyncio.sleep(60)
    await task


async def block_its_loop():
    time.sleep(60)


async def refuse_to_be_cancelled():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def return_though_cancelled():
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    return "in time, as it were"


async def cancel_itself():
    raise asyncio.CancelledError


async def add(left, right):
    await asyncio.sleep(0)
    return left + right


class Awaitable:
    """Not a coroutine, but can be awaited all the same."""

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return "awaited"


def give_awaitable():
    return Awaitable()
