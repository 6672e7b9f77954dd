"""Conversations: what a generator that makes calls is sent, and what is raised in it."""

from __future__ import annotations

from typing import Any

import pytest
import samples
from redis import Redis

from rqdeps import NoSuchJobError, Queue
from rqdeps.store import Conversation, Store
from rqdeps.store.calls import reads
from rqdeps.store.conversation import ask, ask_all


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue(connection=valkey)


def test_a_conversation_is_sent_what_its_calls_result_in(q: Queue) -> None:
    job = q.enqueue(samples.anything)

    def talk() -> Conversation[tuple[str, list[str]]]:
        status = yield from ask(reads.watch(job.id))
        both = yield from ask_all([reads.watch(job.id), reads.watch(job.id)])
        return status, both

    assert q.store.perform(talk()) == ("queued", ["queued", "queued"])


def test_a_conversation_may_make_no_call(q: Queue) -> None:
    def talk() -> Conversation[str]:
        return "nothing"
        yield

    assert q.store.perform(talk()) == "nothing"


def test_what_a_call_raises_is_raised_where_it_was_asked_for(q: Queue) -> None:
    def talk() -> Conversation[str]:
        try:
            yield from ask(reads.watch("unknown"))
        except NoSuchJobError:
            job = q.enqueue(samples.anything)
            return (yield from ask(reads.watch(job.id)))
        return "no error"

    assert q.store.perform(talk()) == "queued"


def test_what_one_of_several_calls_raises_is_raised_once_all_were_made(q: Queue) -> None:
    def talk() -> Conversation[Any]:
        yield from ask_all([reads.watch("unknown"), reads.save_meta("unknown", b"{}")])

    with pytest.raises(NoSuchJobError, match="unknown"):
        q.store.perform(talk())


def test_what_a_conversation_raises_comes_out(q: Queue) -> None:
    def talk() -> Conversation[None]:
        yield from ask(reads.overview())
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        q.store.perform(talk())


def test_a_conversation_that_is_interrupted_cleans_up(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned_up = []

    def talk() -> Conversation[None]:
        try:
            yield from ask(reads.overview())
        finally:
            cleaned_up.append(True)

    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        q.store.perform(talk())
    assert cleaned_up == [True]
