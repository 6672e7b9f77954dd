"""Procedures of several calls that know no connection: generators that yield calls and are sent what these result in.

Whoever has a connection performs them: ``Store.perform``, ``AsyncStore.perform``. What a call raises is raised where it
was yielded.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

from rqdeps.store.calls.call import Call

T = TypeVar("T")

#: Yields a call, or several for one round trip; is sent the result, or the list of results; returns its own.
Conversation = Generator[Call[Any] | Sequence[Call[Any]], Any, T]


def ask(call: Call[T]) -> Conversation[T]:
    """Makes a call from within a conversation, which gets the result with ``yield from``."""
    result: T = yield call
    return result


def ask_all(calls: Sequence[Call[T]]) -> Conversation[list[T]]:
    """Makes calls one after the other in one round trip, from within a conversation."""
    results: list[T] = yield calls
    return results
