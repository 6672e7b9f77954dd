"""The measured jobs as coroutines, for queues whose workers run an event loop, where they wait as their users would."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.queues import tasks
from benchmarks.queues.adapter import Step


async def nothing() -> None:
    """Does nothing."""
    tasks.nothing()


async def note(path: str, label: str) -> None:
    """Writes down that this ran."""
    tasks.note(path, label)


async def work(path: str, label: str, seconds: float) -> None:
    """Takes a while, and writes down when it began and ended."""
    tasks.note(path, f"begun {label}")
    await asyncio.sleep(seconds)
    tasks.note(path, f"ended {label}")


async def pause(seconds: float) -> None:
    """Takes a while."""
    await asyncio.sleep(seconds)


def coroutines() -> dict[str, Callable[..., Coroutine[None, None, None]]]:
    """The coroutines that jobs call, by their names."""
    return {"nothing": nothing, "note": note, "work": work, "pause": pause}


def keywords(step: Step) -> dict[str, Any]:
    """The arguments of a call by their names, for queues that pass no others."""
    return dict(zip(inspect.signature(coroutines()[step.function]).parameters, step.args, strict=True))
