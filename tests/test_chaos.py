"""The chaos suite in short; and that the faults by which it is tested can still be put in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import samples
import servers
from by_hand import HandWorker
from chaos import faults
from chaos.checker import Checker
from chaos.duplicates import duplicates
from chaos.history import History
from chaos.notebook import Notebook
from chaos.schedule import schedule
from chaos.stored import Stored
from redis import Redis

import rqdeps
from rqdeps import Queue

SEED = os.environ.get("RQDEPS_CHAOS_SEED", "1")
MINUTES = 0.3

PACKAGE = Path(rqdeps.__file__).parent


@pytest.mark.skipif(sys.platform != "linux", reason="it finds a worker's processes under /proc")
def test_nothing_is_lost_or_run_early_while_everything_breaks() -> None:
    try:
        servers.VALKEY_9.find()
    except servers.ServerMissingError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "chaos", "--minutes", str(MINUTES), "--seed", SEED]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    rows = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in done.stdout.splitlines())
    assert int(rows["runs"]) > 100
    assert rows["lost"] == rows["unexpected"] == rows["early"] == "0"


def test_a_seed_makes_the_same_schedule_again() -> None:
    first = schedule(7, 600)
    assert first == schedule(7, 600)
    assert first != schedule(8, 600)
    assert {what.kind for what in first} >= {"kill worker", "pause worker", "restart server", "pause server", "cut"}


@pytest.mark.parametrize("name", faults.FAULTS)
def test_each_fault_changes_the_code(name: str) -> None:
    for patch in faults.FAULTS[name]:
        assert patch.applied(PACKAGE) != (PACKAGE / patch.file).read_text("utf-8")


def test_a_fault_whose_place_is_gone_is_an_error() -> None:
    with pytest.raises(faults.StalePatchError, match="0 times"):
        faults.Patch("errors.py", "no such text", "").applied(PACKAGE)


# What the suite's checks find, on histories made by hand


class Written:
    """What would have been written down."""

    def __init__(self, folder: Path, client: Redis) -> None:
        self._folder, self._client = folder, client
        for name in ("jobs.log", "disturbances.log", "producer-0.log"):
            (folder / name).touch()

    def note(self, file: str, **facts: object) -> None:
        with Notebook(self._folder / file) as notebook:
            notebook.note(**facts)

    def enqueued(self, job_id: str, **facts: object) -> None:
        self.note("producer-0.log", what="enqueue", jobs=[{"id": job_id, "groups": [], "short": False, **facts}])
        self.note("producer-0.log", what="enqueued", ids=[job_id])

    def ran(self, job_id: str, run: str, *, fence: int = 1, how: str = "returned", do: str = "return") -> None:
        where = {"pid": 3, "parent": 2, "supervisor": 1}
        self.note(
            "jobs.log",
            what="start",
            run=run,
            do=do,
            job=job_id,
            attempt=1,
            fence=fence,
            inputs=[],
            place=None,
            **where,
        )
        if how:
            self.note("jobs.log", what="end", run=run, how=how)

    @property
    def history(self) -> History:
        return History(self._folder)

    @property
    def stored(self) -> Stored:
        return Stored(self._client)

    @property
    def checker(self) -> Checker:
        return Checker(self.history, self.stored, [])

    @property
    def unexplained(self) -> list[str]:
        return duplicates(self.history, self.stored, self.checker).unexplained


@pytest.fixture
def client() -> Iterator[Redis]:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        yield client


@pytest.fixture
def written(tmp_path: Path, client: Redis) -> Written:
    return Written(tmp_path, client)


def test_a_job_that_was_enqueued_for_certain_and_is_gone_is_lost(written: Written) -> None:
    written.enqueued("one")
    assert list(written.checker.lost()) == ["job one was enqueued, and is gone"]
    written.note("producer-0.log", what="try", op="delete", name="one")
    assert list(written.checker.lost()) == []


def test_a_job_that_has_not_ended_is_lost(written: Written, client: Redis) -> None:
    job = Queue(connection=client).enqueue(samples.anything)
    assert list(written.checker.lost()) == [f"job {job.id} is queued, and nothing goes on"]


def test_a_job_that_nobody_enqueued_is_unexpected(written: Written) -> None:
    written.ran("one", "run-3-1")
    assert list(written.checker.unexpected()) == ["job one ran, and nobody enqueued it"]


def test_a_job_that_began_before_what_it_waits_for_had_ended_is_early(written: Written, client: Redis) -> None:
    queue = Queue(connection=client)
    first = queue.enqueue(samples.anything)
    second = queue.enqueue(samples.anything, depends_on=first)
    written.enqueued(first.id)
    written.enqueued(second.id, groups=[("all_success", [first.id])])
    written.ran(second.id, "run-3-1")
    (found,) = written.checker.early()
    assert found.startswith(f"run-3-1 of {second.id} began before all_success of")


def test_two_runs_under_one_claim_are_one_too_many(written: Written) -> None:
    written.ran("one", "run-3-1", fence=7)
    written.ran("one", "run-3-2", fence=7)
    assert list(written.checker.doubly_accepted()) == ["job one ran 2 times under one claim, 7"]


def test_a_result_of_a_claim_that_was_lost_is_accepted_wrongly(written: Written, client: Redis) -> None:
    queue = Queue(connection=client)
    job = queue.enqueue(samples.anything)
    hands = HandWorker(queue.store)
    hands.claim(1)
    hands.finish(job.id, b'j{"run":"run-3-1"}')
    written.ran(job.id, "run-3-1", fence=7)
    assert any("whose claim was lost" in found for found in written.checker.doubly_accepted())


def test_a_run_that_comes_to_nothing_needs_a_cause(written: Written) -> None:
    written.enqueued("one", retries=0)
    written.ran("one", "run-3-1", fence=1, how="")
    assert written.unexplained == ["run-3-1 of one was cut off, and came to nothing without a cause"]
    written.note("disturbances.log", what="kill worker", pids=[1], seconds=0)
    assert written.unexplained == []
    written.ran("one", "run-3-2", fence=2)
    assert written.unexplained == []


def test_more_failures_than_retries_need_a_cause(written: Written) -> None:
    written.enqueued("one", retries=1)
    written.ran("one", "run-3-1", fence=1, how="raised")
    written.ran("one", "run-3-2", fence=2, how="raised")
    assert written.unexplained == []
    written.ran("one", "run-3-3", fence=3, how="raised")
    assert len(written.unexplained) == 1
