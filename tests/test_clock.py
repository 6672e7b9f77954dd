"""A server's clock that is set ahead or back: nothing is stuck for that, and nobody who lives loses anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import samples
from clocks import Clock, clock_of_server
from redis import Redis

from rqdeps import Job, Queue
from rqdeps.store.calls import claims, staging, upkeep
from rqdeps.store.calls.claims import Claimed
from rqdeps.store.scripts import BUDGET
from rqdeps.worker_info import workers

LEASE = 30
AN_HOUR = 3600
P = "{rqdeps}:"


class Site:
    """A server whose clock the test sets, and workers that do what the test says.

    Attributes:
        recovered: jobs that were taken back from workers.
    """

    def __init__(self, queue: Queue, connection: Redis, clock: Clock) -> None:
        self.queue, self.clock = queue, clock
        self.connection = connection
        self.recovered: list[str] = []

    def beat(self, worker: str = "one", lease: int = LEASE) -> None:
        """A worker gives a sign of life."""
        self.queue.store.run(upkeep.beat(worker, {"pid": 1, "lease_ms": lease * 1000}))

    def claim(self, worker: str = "one", lease: int = LEASE, want: int = 1) -> list[Claimed]:
        """A worker gives a sign of life, and claims jobs, which begin."""
        self.beat(worker, lease)
        call = claims.settle([], holder=f"{worker}.1", lease_ms=lease * 1000, queues=["default"], want=want, begin=want)
        return self.queue.store.run(call).claimed

    def renew(self, claim: Claimed, lease: int = LEASE) -> str:
        (state,) = self.queue.store.run(claims.renew([(claim, True)], lease_ms=lease * 1000))
        return state

    def maintain(self) -> list[str]:
        """Somebody looks after the queue. Returns which jobs were taken back."""
        recovered: list[str] = []
        for _ in range(100):
            result = self.queue.store.run(upkeep.maintain(["default"], lease_ms=LEASE * 1000))
            recovered += result.recovered
            if not result.has_more:
                self.recovered += recovered
                return recovered
        raise AssertionError("maintain never comes to an end")

    def pass_time(self, seconds: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Time passes, in steps, and somebody looks after the queue all the while."""
        while seconds > 0:
            step = min(seconds, LEASE // 3)
            self.clock.jump(step)
            meanwhile()
            self.maintain()
            seconds -= step

    def deaths(self, job: Job[object]) -> int:
        return int(self.connection.hget(f"{P}job:{job.id}", "deaths") or 0)  # type: ignore[arg-type]

    def known_workers(self) -> list[str]:
        return [worker.name for worker in self.queue.store.perform(workers())]


@pytest.fixture
def site(q: Queue, connection: Redis) -> Iterator[Site]:
    with clock_of_server() as clock:
        site = Site(q, connection, clock)
        site.maintain()
        yield site


def begin_graph(queue: Queue) -> None:
    """Brings a graph, and does not let it through."""
    job = Queue.prepare_data(samples.anything).new_job(queue.name)
    plan = staging.plan([job], [job.id])
    queue.store.run(staging.stage(plan.gate, 1, plan.pieces[0], new_queues=()))


# Set back


def test_a_job_of_a_dead_worker_is_taken_back_after_a_lease_though_the_clock_went_back(q: Queue, site: Site) -> None:
    job = q.enqueue(samples.anything)
    site.claim()
    site.clock.jump(-AN_HOUR)
    site.maintain()
    site.pass_time(LEASE - 1)
    assert site.recovered == []
    site.pass_time(2)
    assert site.recovered == [job.id]
    assert site.deaths(job) == 1


def test_a_worker_that_lives_keeps_its_claim_when_the_clock_goes_back(q: Queue, site: Site) -> None:
    q.enqueue(samples.anything)
    (claim,) = site.claim()
    site.clock.jump(-AN_HOUR)
    for _ in range(6):
        site.pass_time(LEASE // 3)
        assert site.renew(claim) == "held"
    assert site.recovered == []


def test_a_longer_lease_of_another_worker_is_not_made_shorter_than_that(q: Queue, site: Site) -> None:
    job = q.enqueue(samples.anything)
    site.claim("slow", lease=600)
    site.clock.jump(-AN_HOUR)
    site.maintain()
    site.pass_time(590, lambda: site.beat("slow", 600))
    assert site.recovered == []
    site.pass_time(11, lambda: site.beat("slow", 600))
    assert site.recovered == [job.id]


@pytest.mark.parametrize("lease", [LEASE, 600])
def test_many_claims_are_cut_within_the_budget(q: Queue, site: Site, lease: int) -> None:
    count = BUDGET
    jobs = q.enqueue_many([Queue.prepare_data(samples.anything) for _ in range(count)])
    while site.claim(lease=lease, want=count):
        pass
    site.clock.jump(-AN_HOUR)
    site.maintain()
    site.pass_time(lease + 1, lambda: site.beat(lease=lease))
    assert sorted(site.recovered) == sorted(job.id for job in jobs)


def test_an_outage_noted_by_a_clock_that_was_ahead_does_not_keep_jobs_from_being_taken_back(
    q: Queue, site: Site
) -> None:
    job = q.enqueue(samples.anything)
    site.claim()
    site.clock.jump(AN_HOUR)
    site.maintain()
    site.clock.jump(-AN_HOUR)
    site.maintain()
    site.pass_time(2 * LEASE)
    assert site.recovered == [job.id]


def test_a_worker_that_is_gone_is_forgotten_though_the_clock_went_back(site: Site) -> None:
    site.claim()
    site.clock.jump(-AN_HOUR)
    site.maintain()
    assert site.known_workers() == ["one"]
    site.pass_time(61)
    assert site.known_workers() == []


def test_a_graph_that_never_comes_whole_is_given_up_though_the_clock_went_back(site: Site, connection: Redis) -> None:
    begin_graph(site.queue)
    site.clock.jump(-AN_HOUR)
    site.maintain()
    assert connection.zcard(P + "gates") == 1
    site.pass_time(61)
    assert connection.zcard(P + "gates") == 0


# Set ahead


def test_a_worker_that_lives_loses_nothing_when_the_clock_goes_ahead(q: Queue, site: Site) -> None:
    job = q.enqueue(samples.anything)
    (claim,) = site.claim()
    site.clock.jump(AN_HOUR)
    site.maintain()
    assert site.known_workers() == ["one"]
    for _ in range(6):
        site.pass_time(LEASE // 3)
        assert site.renew(claim) == "held"
    assert site.recovered == []
    assert site.deaths(job) == 0


def test_a_longer_lease_gets_its_own_time_when_the_clock_goes_ahead(q: Queue, site: Site) -> None:
    q.enqueue(samples.anything)
    (claim,) = site.claim("slow", lease=600)
    site.clock.jump(AN_HOUR)
    site.maintain()
    site.pass_time(200, lambda: site.beat("slow", 600))
    assert site.renew(claim, lease=600) == "held"
    assert site.recovered == []


def test_a_graph_that_is_coming_is_not_given_up_when_the_clock_goes_ahead(site: Site, connection: Redis) -> None:
    begin_graph(site.queue)
    site.clock.jump(AN_HOUR)
    site.pass_time(59)
    assert connection.zcard(P + "gates") == 1
    site.pass_time(70)
    assert connection.zcard(P + "gates") == 0


def test_nobody_counts_a_death_for_a_clock_that_went_ahead(q: Queue, site: Site) -> None:
    job = q.enqueue(samples.anything)
    site.claim()
    site.clock.jump(AN_HOUR)
    site.pass_time(2 * LEASE)
    assert site.recovered == [job.id]
    assert site.deaths(job) == 0
