"""The page on dependencies: what its pictures show, and its table of rules says, is what the engine does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
from by_hand import HandWorker, statuses
from redis import Redis
from test_rules import EXPECTED

from rqdeps import Dependency, Queue, Workflow
from rqdeps import Job as RealJob
from rqdeps.dependency import RULES
from rqdeps.store.invariants import check_invariants
from rqdeps.testing import EndlessDrainError, FakeQueue

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "pictures"
sys.path.insert(0, str(FOLDER))

from draw import svg  # noqa: E402
from scenes import PICTURES, Job, Scene  # noqa: E402

#: Their scenes need functions that do something, or jobs that spawn others.
BY_THEMSELVES = {"outputs", "map"}


@pytest.fixture
def q() -> Iterator[FakeQueue]:
    """A fake queue, whose data must be in order after the test."""
    with FakeQueue() as queue:
        yield queue
        check_invariants(queue.store.client)


class Play:
    """A scene with real jobs, that begin and end by hand. Those that are queued there are in a queue of their own."""

    def __init__(self, connection: Redis, scene: Scene) -> None:
        self.queue = Queue(connection=connection)
        self.later = Queue("later", connection=connection)
        self.scene = scene
        self.made: dict[str, RealJob | Workflow] = {}
        self.ends: dict[str, str] = {}
        for job in scene.jobs:
            if job.holds:
                self.made[job.name] = self._workflow(job)
            elif not job.fallback_of:
                self._enqueue(job, self.later if job.status == "queued" else self.queue)
        hands = HandWorker(self.queue.store)
        while claimed := hands.claim():
            for job_id in claimed:
                if self.ends[job_id] == "finished":
                    hands.finish(job_id)
                elif self.ends[job_id] == "failed":
                    hands.fail(job_id)

    def statuses(self) -> dict[str, str]:
        return {
            name: str(job.status if isinstance(job, Workflow) else job.get_status()) for name, job in self.made.items()
        }

    def _workflow(self, own: Job) -> Workflow:
        with Workflow(own.name, queue=self.queue) as workflow:
            for job in own.holds:
                self._enqueue(job, workflow)
        return workflow

    def _enqueue(self, job: Job, where: Queue | Workflow) -> None:
        fallback = next((each for each in self.scene.jobs if each.fallback_of == job.name), None)
        depends_on = [Dependency([self.made[name] for name in job.after], rule=job.rule)] if job.after else []
        if job.status == "skipped" and not job.after:
            depends_on = [Dependency(self._good_end(), rule="all_failed")]
        made = where.enqueue(samples.anything, depends_on=depends_on, fallback=fallback and samples.anything)
        self.made[job.name] = made
        self.ends[made.id] = job.status
        if fallback is not None:
            stand_in = RealJob.fetch(made.fallback_id, self.queue.connection)
            self.made[fallback.name] = stand_in
            self.ends[stand_in.id] = fallback.status

    def _good_end(self) -> RealJob:
        job = self.queue.enqueue(samples.anything)
        self.ends[job.id] = "finished"
        return job


def drawn(scene: Scene) -> dict[str, str]:
    return {job.name: job.status for outer in scene.jobs for job in (outer, *outer.holds)}


@pytest.mark.parametrize("name", sorted(PICTURES.keys() - BY_THEMSELVES))
def test_what_a_picture_shows_is_what_becomes_of_jobs(valkey: Redis, name: str):
    play = None
    for scene in PICTURES[name].scenes:
        if scene.requeued:
            assert play is not None, "it goes on from the scene before"
            play.made[scene.requeued].requeue()
        else:
            play = Play(valkey, scene)
        assert play.statuses() == drawn(scene), scene.caption


def test_the_picture_of_outputs_shows_what_is_passed_along(q: FakeQueue):
    extract = q.enqueue(sorted, [5, 3])
    total = q.enqueue(sum, extract.output)
    forecast = q.enqueue(json.loads, extract.output)
    report = q.enqueue(samples.anything, total.output, forecast.output_or(None))
    q.drain(raises=False)
    ((of_total, of_forecast), _) = report.result
    jobs = {"extract": extract, "total": total, "forecast": forecast, "report": report}
    gives = {"extract": extract.result, "total": of_total, "forecast": of_forecast}
    (scene,) = PICTURES["outputs"].scenes
    assert {name: job.get_status() for name, job in jobs.items()} == drawn(scene)
    assert {job.name: job.gives for job in scene.jobs if job.gives} == {
        name: repr(value) for name, value in gives.items()
    }


def test_the_picture_of_a_map_shows_how_it_spreads(q: FakeQueue):
    hands = HandWorker(q.store)
    split = q.enqueue(samples.anything)
    spread = q.map(samples.anything, split.output)
    combine = q.enqueue(samples.anything, spread.output)
    jobs = {"split": split, "map": spread, "combine": combine}
    hands.claim()
    before, after = PICTURES["map"].scenes
    assert {name: job.get_status() for name, job in jobs.items()} == drawn(before)

    hands.finish(split.id, b"j[1,2,3]")
    with pytest.raises(EndlessDrainError):
        q.drain(max_jobs=1)
    first, _second = hands.claim(want=2)
    hands.finish(first, b"jnull")
    elements = next(job.holds for job in after.jobs if job.holds)
    assert {name: job.get_status() for name, job in jobs.items()} == {job.name: job.status for job in after.jobs}
    assert statuses(q.store, spread.spawned_ids) == [element.status for element in elements]


def test_each_rule_has_a_picture():
    assert PICTURES.keys() >= set(RULES)


def test_the_pictures_are_as_they_were_drawn_last():
    assert {file.stem: file.read_text("utf-8") for file in FOLDER.glob("*.svg")} == {
        name: svg(picture) for name, picture in PICTURES.items()
    }


def test_each_picture_stands_in_the_page_with_words_for_those_who_do_not_see_it():
    page = (DOCS / "dependencies.md").read_text("utf-8")
    assert {name for _, name in re.findall(r"!\[([^\]]{40,})\]\(pictures/(\w+)\.svg\)", page)} == set(PICTURES)


# The table of rules in the page

#: What its cells say, of how many have finished, failed, were skipped and still wait.
PHRASES = {
    "all ended": lambda ok, bad, skip, wait: wait == 0,
    "in whatever way": lambda ok, bad, skip, wait: True,
    "all finished": lambda ok, bad, skip, wait: bad + skip + wait == 0,
    "all failed": lambda ok, bad, skip, wait: ok + skip + wait == 0,
    "all were skipped": lambda ok, bad, skip, wait: ok + bad + wait == 0,
    "one finished": lambda ok, bad, skip, wait: ok > 0,
    "one failed": lambda ok, bad, skip, wait: bad > 0,
    "one was skipped": lambda ok, bad, skip, wait: skip > 0,
    "one finished or failed": lambda ok, bad, skip, wait: ok + bad > 0,
    "one finished or was skipped": lambda ok, bad, skip, wait: ok + skip > 0,
    "none finished": lambda ok, bad, skip, wait: ok == 0,
    "none failed": lambda ok, bad, skip, wait: bad == 0,
    "none was skipped": lambda ok, bad, skip, wait: skip == 0,
    "never": lambda ok, bad, skip, wait: False,
}


def holds(cell: str, ends: str) -> bool:
    """Whether what a cell says is so, where dependencies have ended like this."""
    counts = [ends.count(each) for each in "oxs."]
    return all(PHRASES[phrase](*counts) for phrase in re.split(", | and ", cell))


def test_the_table_of_rules_says_what_the_engine_does():
    page = (DOCS / "dependencies.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\][^|]* \| (.*) \| (.*) \| (.*) \|$", page, re.MULTILINE)
    assert [rule for rule, *_ in rows] == list(RULES)
    for rule, *cells in rows:
        for ends, expected in EXPECTED.items():
            becomes = zip(("queued", "upstream_failed", "skipped"), cells, strict=True)
            said = [status for status, cell in becomes if holds(cell, ends)] or ["deferred"]
            assert said == [expected[rule]], f"{rule}, {ends}"
