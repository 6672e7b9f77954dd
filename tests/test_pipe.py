"""The pipe between a supervisor and a horse, without either: what goes through it, and who gets what."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqdeps.worker.pipe import Board, Frames, Pipe, Report, Task, frame


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def task(name: str, payload: bytes = b"j[]") -> Task:
    return Task(name, "work", "steps.nothing", payload, attempt=1, fence=7, timeout_ms=-1)


@given(
    st.lists(st.tuples(st.integers(1, 2**32 - 1), st.lists(st.binary(max_size=40), max_size=5)), max_size=5), st.data()
)
def test_frames_come_together_from_whatever_pieces_arrive(
    frames: list[tuple[int, list[bytes]]], data: st.DataObject
) -> None:
    stream = b"".join(frame(number, fields) for number, fields in frames)
    reader, found = Frames(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == frames


def test_tasks_and_reports_go_through_whole(pipe: Pipe) -> None:
    outputs = {"x": ("finished", b"j\x00"), "y": ("failed", b"")}
    sent = Task(
        "a",
        "work",
        "steps.echo",
        b"j[[1]]",
        attempt=3,
        fence=2**53,
        timeout_ms=500,
        outputs=outputs,
        signed_options="5",
        callbacks=",a.b",
    )
    pipe.put([(7, sent)])
    assert pipe.next_task() == (7, sent)
    report = Report("raised", 12, b"{}", error_names=("builtins.ValueError", "builtins.Exception"), may_retry=False)
    pipe.report(7, report)
    pipe.report(8, returned := Report("returned", 5, b"j[]", pieces=3, gives=True))
    assert list(pipe.reports()) == [(7, report), (8, returned)]


def test_tasks_taken_back_are_passed_over_by_the_horse(pipe: Pipe) -> None:
    pipe.put([(1, task("a")), (2, task("b")), (3, task("c"))])
    first = pipe.next_task()
    assert first is not None
    assert first[0] == 1
    assert pipe.take_back() == [2, 3]
    assert pipe.take_back() == []
    pipe.put([(4, task("d"))])
    assert pipe.next_task() == (4, task("d"))


def test_each_task_goes_to_the_horse_or_comes_back_but_never_both(pipe: Pipe) -> None:
    """Both sides take as fast as they can; every number must turn up on exactly one."""
    count = 3_000
    run: list[int] = []

    def horse() -> None:
        while (turn := pipe.next_task()) is not None:
            if turn[0] > count:
                return
            run.append(turn[0])

    thread = threading.Thread(target=horse)
    thread.start()
    back: list[int] = []
    for start in range(1, count, 30):
        pipe.put([(number, task("x")) for number in range(start, start + 30)])
        back += pipe.take_back()
    pipe.put([(count + 1, task("last"))])
    while pipe.has_more_to_send:
        pipe.flush()
    thread.join()
    assert sorted(run + back) == list(range(1, count + 1))
    assert run


def test_a_task_larger_than_the_pipe_waits_until_the_horse_reads(pipe: Pipe) -> None:
    large = task("a", b"j" + b"x" * 5_000_000)
    pipe.put([(1, large)])
    assert pipe.has_more_to_send
    found: list[tuple[int, Task] | None] = []
    thread = threading.Thread(target=lambda: found.append(pipe.next_task()))
    thread.start()
    while pipe.has_more_to_send:
        pipe.flush()
    thread.join()
    assert found == [(1, large)]


def test_the_board_never_shows_half_a_change() -> None:
    board = Board()
    child = os.fork()
    if child == 0:
        for number in range(1, 100_000):
            board.begin(number)
            board.end()
        board.begin(100_000)
        os._exit(0)
    seen: set[bool] = set()
    while (shown := board.read())[0] != 100_000:
        number, begun_at = shown
        seen.add(number == 0)
        assert (number == 0) == (begun_at == 0)
    assert os.waitpid(child, 0)[1] == 0
    assert seen == {True, False}
    board.close()
