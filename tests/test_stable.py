"""Horses, and what a worker holds, without a server."""

from __future__ import annotations

import itertools
import logging
import os
import select
from collections.abc import Iterator

import fakeredis
import pytest
from processes import eventually

from rqdeps.store import Store
from rqdeps.store.calls.claims import NO_RETRY, Claimed
from rqdeps.worker import horse as horse_module
from rqdeps.worker import stable as stable_module
from rqdeps.worker.forked import Horse
from rqdeps.worker.held import Held
from rqdeps.worker.holdings import Holdings
from rqdeps.worker.messages import GarbledError, Report
from rqdeps.worker.stable import Stable

_fences = itertools.count(1)


@pytest.fixture
def stable() -> Iterator[Stable]:
    stable = Stable(1, Store(fakeredis.FakeRedis()), lambda: None)
    yield stable
    stable.end()


@pytest.fixture
def holdings(stable: Stable) -> Holdings:
    return Holdings(stable, lease_ms=30_000)


def held(job_id: str = "a", function: str = "steps.echo", payload: bytes = b'j[["done"],{}]') -> Held:
    claim = Claimed(job_id, "work", next(_fences), 1, 0, 0, function, payload, None, "", False)
    return Held.of(claim, now=0.0, begins=True)


def await_report(stable: Stable) -> None:
    ready, _, _ = select.select([stable.horses[0].pipe.frames], [], [], 30)
    assert ready


def start(stable: Stable) -> Horse:
    """Starts a horse, and waits until it can take jobs."""
    (horse,) = stable.start_missing()
    while not horse.is_ready:
        await_report(stable)
        assert list(stable.collect(horse)) == []
    return horse


def test_a_worker_hears_reports_together_only_while_each_horse_has_jobs_behind_the_one_it_runs(stable: Stable):
    assert stable.work_ahead() == 0
    horse = start(stable)
    stable.pace.average_ns = 1_000_000.0
    horse.tasks = {1: held()}
    assert stable.work_ahead() == 0
    horse.tasks |= {2: held(), 3: held()}
    assert stable.work_ahead() == pytest.approx(0.002)
    horse.tasks.clear()


# Horses


def test_what_was_computed_is_returned_when_all_ends_at_once(stable: Stable) -> None:
    start(stable)
    done, runs = held("done"), held("runs", "time.sleep", b"j[[60],{}]")
    stable.pace.average_ns = 1_000.0  # so that a horse is given several
    assert stable.give([done, runs]) == []
    await_report(stable)
    reported, left = stable.end()
    assert [(which, report.kind) for which, report in reported] == [(done, "returned")]
    assert left == [runs]
    assert stable.horses == []


def test_what_a_process_had_begun_behind_rubbish_runs_again_under_another_claim(
    stable: Stable, monkeypatch: pytest.MonkeyPatch
) -> None:
    horse = start(stable)
    rubbish, begun, waiting = held("rubbish"), held("begun", "time.sleep", b"j[[60],{}]"), held("waiting")
    stable.pace.average_ns = 1_000.0
    assert stable.give([rubbish, begun, waiting]) == []
    eventually(lambda: horse.running()[0] is begun)

    def no_reports() -> Iterator[tuple[int, Report]]:
        raise GarbledError

    monkeypatch.setattr(horse.pipe, "reports", no_reports)
    assert list(stable.collect(horse)) == []
    os.waitid(os.P_PID, horse.pid, os.WEXITED | os.WNOWAIT)
    ((death, _),) = stable.reap()
    death.horse.pipe.close()
    assert death.ran is not None
    assert (death.ran[0], death.cut_short, death.waiting) == (rubbish, [begun], [waiting])


def test_horses_that_die_before_they_run_anything_are_replaced_with_growing_pauses(
    stable: Stable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(horse_module, "_become_horse", lambda *args: os._exit(3))
    now = 1_000.0
    monkeypatch.setattr(stable_module.time, "monotonic", lambda: now)
    pauses = []
    for _ in range(9):
        (new,) = stable.start_missing()
        os.waitid(os.P_PID, new.pid, os.WEXITED | os.WNOWAIT)
        ((death, _),) = stable.reap()
        assert death.ran is None
        death.horse.pipe.close()
        assert stable.start_missing() == []
        assert stable.give([held()])
        pauses.append(stable.fork_at - now)
        now = stable.fork_at
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    (line,) = caplog.messages
    assert "ended with exit code 3 before it ran any" in line
    monkeypatch.undo()
    start(stable)
    stable.give([held()])
    await_report(stable)
    assert [report.kind for _, report in stable.collect(stable.horses[0])] == ["returned"]


def test_a_process_that_cannot_be_forked_is_tried_again_later(
    stable: Stable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fork() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    assert stable.start_missing() == []
    assert "can't start a process" in caplog.text
    monkeypatch.undo()
    stable.fork_at = 0.0
    assert len(stable.start_missing()) == 1


# Claims that are lost


def test_a_lost_claim_takes_no_newer_one_of_the_same_job_along(stable: Stable, holdings: Holdings) -> None:
    start(stable)
    older, newer = held("a", "time.sleep", b"j[[60],{}]"), held("a")
    stable.give([older])
    while stable.horses[0].running()[0] is not older:
        pass
    holdings.ready.append(newer)
    holdings.lose(older)
    while not (deaths := stable.reap()):
        pass
    ((death, _),) = deaths
    assert death.ran is not None
    assert death.ran[0] is older
    holdings.note_end(*death.ran)
    assert holdings.ended == []
    assert list(holdings.ready) == [newer]
    death.horse.pipe.close()


# Reports that are refused


def test_what_goes_back_from_behind_a_long_job_takes_along_what_was_claimed_after_it(
    stable: Stable, holdings: Holdings, monkeypatch: pytest.MonkeyPatch
) -> None:
    horse = start(stable)
    long, *behind = [held("long", "time.sleep", b"j[[60],{}]"), held("b"), held("c")]
    stable.pace.average_ns = 1_000.0
    assert stable.give([long, *behind]) == []
    eventually(lambda: horse.running()[0] is long)
    later, last = held("d"), held("e")
    holdings.ready.append(later)  # as it is where jobs have begun to take longer since they were claimed
    holdings.fetching.append(last)
    monkeypatch.setattr(stable, "_is_stuck", lambda horse, now: True)
    holdings.take_back_stuck()
    assert holdings.returning == [*behind, later, last]
    assert not holdings.waiting


def test_of_outcomes_that_are_refused_together_only_the_one_to_blame_fails(
    holdings: Holdings, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [held(name) for name in "abc"]
    for job in jobs:
        holdings.note_end(job, Report("returned", value=b"j1"))
    assert len(holdings.report()) == 3
    holdings.refuse("too large")
    reported = []
    while outcomes := holdings.report():
        assert len(outcomes) == 1
        reported += outcomes
        if outcomes[0].claim.id == "b":
            holdings.refuse("too large")
        else:
            holdings.acknowledge()
        if len(reported) > 4:
            break
    assert [(one.claim.id, one.kind) for one in reported] == [
        ("a", "finished"),
        ("b", "finished"),
        ("b", "failed"),
        ("c", "finished"),
    ]
    assert reported[2].delay_ms == NO_RETRY
    assert b"too large" in reported[2].value
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "job b: too large; given up" in caplog.text


def test_a_result_at_which_the_connection_breaks_again_and_again_fails_its_job(holdings: Holdings) -> None:
    for name in "ab":
        holdings.note_end(held(name), Report("returned", value=b"j1"))
    assert len(holdings.report()) == 2
    holdings.report_again(cut=True)
    kinds = []
    while (outcome := holdings.report()[0]).kind == "finished":
        kinds.append(outcome.claim.id)
        holdings.report_again(cut=True)
    assert kinds == ["a"] * 4
    assert b"the connection broke 5 times" in outcome.value


def test_large_results_are_reported_in_several_calls(holdings: Holdings) -> None:
    for _ in range(5):
        holdings.note_end(held(), Report("returned", value=b"x" * 6_000_000))
    sizes = []
    while outcomes := holdings.report():
        sizes.append(len(outcomes))
        holdings.acknowledge()
    assert sizes == [2, 2, 1]
