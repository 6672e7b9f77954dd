"""Processes that have done enough, and are followed by fresh ones."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest
import steps
from processes import lines
from redis import Redis

from rqdeps import Queue, Worker
from rqdeps.worker import wear
from rqdeps.worker.options import HorseOptions
from rqdeps.worker.wear import Wear, memory_in_use

MIB = 1 << 20


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


def test_a_process_is_followed_by_another_after_so_many_jobs(q: Queue, tmp_path: Path) -> None:
    """What waits in its pipe then, as tiny jobs do, is run by the next, and once."""
    log = tmp_path / "log"
    jobs = [q.enqueue(steps.note_process, str(log)) for _ in range(60)]
    Worker([q], max_jobs_per_process=7).work(burst=True)
    assert all(job.attempt == 1 for job in jobs)
    runs = [len(list(run)) for _, run in groupby(lines(log))]
    assert runs == [7] * 8 + [4]
    assert len(set(lines(log))) == 9


def test_several_processes_are_replaced_each_by_its_own_count(q: Queue, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(60):
        q.enqueue(steps.note_process, str(log))
    Worker([q], max_jobs_per_process=5, processes=3).work(burst=True)
    counts = [lines(log).count(pid) for pid in set(lines(log))]
    assert sum(counts) == 60
    assert max(counts) == 5


def test_a_process_that_keeps_much_memory_is_followed_by_another(q: Queue) -> None:
    before = [q.enqueue(steps.pid) for _ in range(3)]
    hoarding = q.enqueue(steps.hoard, 96 * MIB)
    after = [q.enqueue(steps.pid) for _ in range(3)]
    Worker([q], max_memory=memory_in_use() + 48 * MIB).work(burst=True)
    assert {job.result for job in before} == {hoarding.result}
    (pid,) = {job.result for job in after}
    assert pid != hoarding.result


@pytest.mark.skipif(not Path(wear._STATM).exists(), reason="elsewhere the most memory counts that a process has had")
def test_a_process_that_gives_its_memory_back_goes_on(q: Queue) -> None:
    jobs = [q.enqueue(steps.use_for_a_while, 96 * MIB), q.enqueue(steps.pid)]
    Worker([q], max_memory=memory_in_use() + 48 * MIB).work(burst=True)
    assert jobs[0].result == jobs[1].result


def test_the_last_job_of_a_process_may_fail_or_end_it(q: Queue) -> None:
    jobs = [q.enqueue(function, retry=1) for function in (steps.boom, steps.die, steps.pid)]
    Worker([q], max_jobs_per_process=1).work(burst=True)
    assert [(job.get_status(), job.attempt) for job in jobs] == [("failed", 2), ("failed", 2), ("finished", 1)]


def test_a_process_counts_its_jobs() -> None:
    counting, endless = Wear(HorseOptions(max_jobs=3)), Wear(HorseOptions(max_jobs=None))
    assert [counting.is_over_after_job() for _ in range(3)] == [False, False, True]
    assert not any(endless.is_over_after_job() for _ in range(5_000))


def test_a_process_with_very_many_jobs_is_not_replaced_in_its_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(wear.time, "monotonic", lambda: now[0])
    tiny, slow, own = Wear(HorseOptions()), Wear(HorseOptions()), Wear(HorseOptions(max_jobs=999))
    assert not any(tiny.is_over_after_job() for _ in range(5_000))
    assert [own.is_over_after_job() for _ in range(999)] == [False] * 998 + [True]
    now[0] += 1.0
    assert tiny.is_over_after_job()
    assert [slow.is_over_after_job() for _ in range(1_000)] == [False] * 999 + [True]


def test_where_the_system_does_not_tell_the_most_memory_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = memory_in_use()
    monkeypatch.setattr(wear, "_STATM", "/nowhere")
    assert memory_in_use() >= now * 0.9
    assert Wear(HorseOptions(max_memory=1)).is_over_after_job()
    assert not Wear(HorseOptions(max_memory=1 << 50)).is_over_after_job()
