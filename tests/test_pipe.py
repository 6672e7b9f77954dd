"""The pipe between a supervisor and a horse, without either: what goes through it, and who gets what."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rqdeps.durations import FOREVER
from rqdeps.worker.board import Board
from rqdeps.worker.messages import HEADER, TOKEN_BYTES, Frames, GarbledError, Report, Task, frame
from rqdeps.worker.pipe import Pipe

TOKEN = b"0" * TOKEN_BYTES


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def task(name: str, payload: bytes = b"j[]") -> Task:
    return Task(name, "work", "steps.nothing", payload, attempt=1, fence=7, timeout_ms=-1)


def arrived(pipe: Pipe) -> list[tuple[int, Report]]:
    """The reports that have arrived, whatever their tasks took."""
    return [(number, report._replace(took_ns=0)) for number, report in pipe.reports()]


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.binary(max_size=40)), max_size=5), st.data())
def test_frames_come_together_from_whatever_pieces_arrive(frames: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(frame(TOKEN, number, body) for number, body in frames)
    reader, found = Frames(TOKEN), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == frames


@given(st.lists(st.integers(1, 2**32 - 1), max_size=3), st.binary(min_size=HEADER.size, max_size=200))
def test_whatever_is_no_frame_is_noticed(numbers: list[int], rubbish: bytes) -> None:
    assume(not rubbish.startswith(TOKEN))
    reader, found = Frames(TOKEN), []
    stream = b"".join(frame(TOKEN, number, b"x") for number in numbers)
    frames = reader.feed(stream + rubbish)
    found += [next(frames)[0] for _ in numbers]
    with pytest.raises(GarbledError):
        next(frames)
    assert found == numbers


def test_a_report_that_is_kept_outlives_who_wrote_it_and_is_whole_or_not_there(pipe: Pipe) -> None:
    report = Report("returned", value=b"x" * 3_000_000)
    child = os.fork()
    if child == 0:
        pipe.kept.put(7, report)
        os._exit(0)
    os.waitpid(child, 0)
    assert pipe.kept.get(7) == report
    assert pipe.kept.get(8) is None
    pipe.kept.clear()
    assert pipe.kept.get(7) is None
    os.pwrite(pipe.kept.fileno(), b"half", HEADER.size)  # the header comes last
    assert pipe.kept.get(7) is None


@pytest.mark.parametrize("end", ["_horse_frames", "_horse_turns", "kept"])
def test_a_pipe_knows_whether_its_descriptors_are_its_own_any_more(pipe: Pipe, tmp_path: Path, end: str) -> None:
    pipe.become_horse()
    assert pipe.is_whole()
    number = getattr(pipe, end).fileno()
    spare, other = os.dup(number), os.open(tmp_path, os.O_RDONLY)
    os.close(number)
    assert not pipe.is_whole()
    os.dup2(other, number)
    assert not pipe.is_whole()
    os.dup2(spare, number)
    assert pipe.is_whole()
    for opened in (spare, other):
        os.close(opened)


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
        ended="stopped",
        details=b"{}",
        callbacks=",a.b",
    )
    pipe.put([(7, sent)])
    assert pipe.next_task() == (7, sent)
    report = Report("raised", 12, b"{}", error_names=("builtins.ValueError", "builtins.Exception"), may_retry=False)
    pipe.report(7, report)
    pipe.report(8, returned := Report("returned", 5, b"j[]", pieces=3, gives=True))
    assert arrived(pipe) == [(7, report), (8, returned)]


def test_a_report_tells_how_long_its_task_took_since_its_turn_came(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe.put([(7, task("a"))])
    now = iter([1_000, 43_000])
    monkeypatch.setattr("rqdeps.worker.pipe.time.monotonic_ns", lambda: next(now))
    pipe.next_task()
    pipe.report(7, Report("returned", duration_ns=5))
    ((_, report),) = pipe.reports()
    assert (report.duration_ns, report.took_ns) == (5, 42_000)


def test_a_pipe_tells_that_nothing_more_will_come(pipe: Pipe) -> None:
    pipe.report(7, report := Report("returned"))
    assert arrived(pipe) == [(7, report)]
    assert not pipe.has_hung_up
    pipe._horse_frames.close()
    assert list(pipe.reports()) == []
    assert pipe.has_hung_up


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
        while not run:
            pass  # the other side gets one at least
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
    board, is_enough = Board(), mmap.mmap(-1, 1)
    child = os.fork()
    if child == 0:
        number = 0
        while not is_enough[0]:
            number += 1
            board.begin(number, number + 1)
            board.end()
        board.begin(1, FOREVER)
        os._exit(0)
    seen: set[bool] = set()
    looks, deadline = 0, time.monotonic() + 60
    while looks < 10_000 or len(seen) < 2:
        shown = board.read()
        seen.add(shown.number == 0)
        assert (shown.number == 0) == (shown.begun_at_ns == 0)
        assert shown.limit_ms == (shown.number + 1 if shown.number else 0) or shown.limit_ms == FOREVER
        looks += 1
        assert time.monotonic() < deadline
    is_enough[0] = 1
    assert os.waitpid(child, 0)[1] == 0
    shown = board.read()
    assert (shown.number, shown.limit_ms) == (1, FOREVER)
    assert shown.is_over_since(2**62) < 0
    board.close()
