"""Conversations: what a generator that makes calls is sent, and what is raised in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import samples
from redis import Redis

from rqdeps import NoSuchJobError, Queue
from rqdeps.store import Conversation, Store
from rqdeps.store.calls import reads
from rqdeps.store.calls.call import Call, CallsToBe
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


def test_calls_to_be_are_made_once_and_in_order() -> None:
    made: list[str] = []

    def make(job_id: str) -> Call[Any]:
        made.append(job_id)
        return reads.watch(job_id)

    calls = CallsToBe(make(job_id) for job_id in "abc")
    assert made == []
    first = next(iter(calls))
    assert made == ["a"]
    assert [call.args[0] for call in calls] == ["a", "b", "c"] == made
    assert (len(calls), calls[0] is first, made) == (3, True, ["a", "b", "c"])
    assert [call.args[0] for call in calls[1:]] == ["b", "c"]
    with pytest.raises(IndexError):
        calls[3]


def test_calls_to_be_that_were_left_in_the_middle_go_on_where_they_were() -> None:
    made: list[str] = []

    def make() -> Iterator[Call[Any]]:
        for job_id in "abcd":
            made.append(job_id)
            yield reads.watch(job_id)

    together = make()
    calls = CallsToBe(islice(together, 3))
    for call in calls:
        if call.args[0] == "b":
            break
    assert made == ["a", "b"]
    assert [call.args[0] for call in calls] == ["a", "b", "c"] == made
    assert [call.args[0] for call in CallsToBe(together)] == ["d"]


def test_the_server_is_at_work_on_a_call_while_the_next_is_made(q: Queue, valkey: Redis) -> None:
    job = q.enqueue(samples.anything)

    def next_call() -> Call[Any]:
        deadline = time.monotonic() + 10
        while valkey.hget(f"{{rqdeps}}:job:{job.id}", "meta") is None:
            assert time.monotonic() < deadline, "the first call was not sent yet"
        return reads.watch(job.id)

    calls = CallsToBe[Any](make() for make in (lambda: reads.save_meta(job.id, b"j{}"), next_call))
    assert q.store.run_all(calls)[1] == "queued"


def test_calls_to_be_are_sent_again_whole(q: Queue, valkey: Redis) -> None:
    """The connection breaks before the last of them is made."""
    jobs = [q.enqueue(samples.anything) for _ in range(3)]
    breaks = iter([False, True, False])

    def make(job_id: str) -> Call[Any]:
        if next(breaks):
            valkey.client_kill_filter(_type="normal", skipme=True)  # over a connection of its own
        return reads.watch(job_id)

    calls = CallsToBe(make(job.id) for job in jobs)
    assert q.store.run_all(calls) == ["queued"] * 3


def test_an_error_of_who_makes_a_call_is_not_taken_for_the_end() -> None:
    def fail() -> Call[Any]:
        raise IndexError("of the maker")

    with pytest.raises(IndexError, match="of the maker"):
        list(CallsToBe(make() for make in (lambda: reads.watch("a"), fail)))
