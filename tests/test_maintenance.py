"""What time brings: lost claims, promotions, ttls, deletions. Time passes by rewriting the scores that hold it."""

from __future__ import annotations

import pytest
import steps
from redis import Redis

from rqdeps import Dependency, Job, Queue
from rqdeps.store import Store
from rqdeps.store.calls import claims, upkeep
from rqdeps.store.calls.claims import Claimed, Outcome
from rqdeps.store.calls.upkeep import Maintained
from rqdeps.store.scripts import BUDGET
from rqdeps.worker.upkeep import Upkeep

LEASE_MS = 30_000
HOUR_MS = 3_600_000


class Hands:
    """Does by hand what a worker does."""

    def __init__(self, connection: Redis) -> None:
        self.connection = connection
        self.store = Store(connection)

    def claim(self, want: int = 1, begin: int = 1, holder: str = "hands.1") -> list[Claimed]:
        call = claims.settle([], holder=holder, lease_ms=LEASE_MS, queues=["work"], want=want, begin=begin)
        return self.store.run(call).claimed

    def settle(self, *outcomes: Outcome) -> list[str]:
        call = claims.settle(outcomes, holder="hands.1", lease_ms=LEASE_MS, queues=["work"], want=0, begin=0)
        return self.store.run(call).statuses

    def finish(self, value: bytes = b"j1") -> None:
        (claim,) = self.claim()
        assert self.settle(Outcome(claim, "finished", value=value)) == ["finished"]

    def maintain(self) -> Maintained:
        return self.store.run(upkeep.maintain(["work"], lease_ms=LEASE_MS))

    def pass_time(self, registry: str, milliseconds: int) -> None:
        """Lets time pass for all jobs of a registry."""
        key = f"{{rqdeps}}:{registry}"
        for member, score in self.connection.zrange(key, 0, -1, withscores=True):
            self.connection.zadd(key, {member: score - milliseconds})

    def age(self, job: Job[object], milliseconds: int) -> None:
        """Makes the end of a job older."""
        key = f"{{rqdeps}}:job:{job.id}"
        self.connection.hincrby(key, "ended_at", -milliseconds)

    def stored(self) -> set[str]:
        return {key.decode() for key in self.connection.scan_iter()}


@pytest.fixture
def hands(connection: Redis) -> Hands:
    return Hands(connection)


@pytest.fixture
def q(connection: Redis) -> Queue:
    return Queue("work", connection=connection)


# Lost claims


def test_a_lost_job_goes_to_the_front_and_uses_no_retry(q: Queue, hands: Hands) -> None:
    job, other = q.enqueue(steps.nothing, retry=2), q.enqueue(steps.nothing)
    hands.maintain()
    hands.claim()
    hands.pass_time("started:work", LEASE_MS + 1)
    assert hands.maintain().recovered == [job.id]
    job.refresh()
    assert q.job_ids == [job.id, other.id]
    assert (job.retries_left, job.attempt) == (2, 1)
    assert [attempt.outcome for attempt in job.attempts] == ["lost"]


def test_a_claim_that_has_not_begun_leaves_no_trace_when_lost(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing)
    hands.maintain()
    hands.claim(begin=0)
    hands.pass_time("started:work", LEASE_MS + 1)
    hands.maintain()
    assert (job.get_status(), job.attempt, job.attempts) == ("queued", 0, [])


def test_the_outcome_of_a_lost_claim_is_refused(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing)
    (lost,) = hands.claim()
    hands.maintain()
    hands.pass_time("started:work", LEASE_MS + 1)
    hands.maintain()
    assert hands.settle(Outcome(lost, "finished", value=b"j1")) == ["stale"]
    (claim,) = hands.claim()
    assert claim.fence > lost.fence
    assert hands.settle(Outcome(lost, "finished", value=b"j1")) == ["stale"]
    assert hands.store.run(claims.renew([(lost, True)], lease_ms=LEASE_MS)) == ["lost"]
    assert hands.store.run(claims.give_back([lost])) == 0
    assert hands.settle(Outcome(claim, "finished", value=b"j2")) == ["finished"]
    assert job.result == 2


def test_a_renewed_claim_is_not_lost_and_knows_that_it_has_begun(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing)
    (claim,) = hands.claim(begin=0)
    hands.maintain()
    hands.pass_time("started:work", LEASE_MS - 1)
    assert hands.store.run(claims.renew([(claim, True)], lease_ms=LEASE_MS)) == ["held"]
    hands.pass_time("started:work", LEASE_MS - 100)
    assert hands.maintain().recovered == []
    assert (job.get_status(), job.attempt) == ("started", 1)


def test_the_third_death_fails_a_job_as_a_poison_pill(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing, retry=5)
    after = q.enqueue(steps.nothing, depends_on=Dependency(job, rule="one_failed"))
    hands.maintain()
    for _ in range(3):
        hands.claim()
        hands.pass_time("started:work", LEASE_MS + 1)
        hands.maintain()
    assert job.is_failed
    assert job.reason == "poison pill: 3 workers died while they ran it"
    assert after.is_queued


def test_after_an_outage_claims_get_one_more_lease_and_nobody_counts_a_death(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing)
    hands.maintain()
    hands.claim()
    hands.pass_time("started:work", LEASE_MS + 1)
    beat = "{rqdeps}:beat"
    hands.connection.hincrby(beat, "at", -LEASE_MS)
    assert hands.maintain().recovered == []
    hands.connection.hincrby(beat, "away_until", -LEASE_MS)
    hands.pass_time("started:work", LEASE_MS)
    # The claim was made before the outage ended, as the time rewritten above would have it.
    hands.connection.hset(f"{{rqdeps}}:job:{job.id}", "fence", 1)
    assert hands.maintain().recovered == [job.id]
    assert not hands.connection.hget(f"{{rqdeps}}:job:{job.id}", "deaths")


def test_claims_whose_reply_was_lost_are_given_back(q: Queue, hands: Hands) -> None:
    known, lost, other = (q.enqueue(steps.nothing) for _ in range(3))
    held = hands.claim(holder="hands.1")
    hands.claim(holder="hands.1")
    hands.claim(holder="else.1")
    call = claims.reclaim("work", holder="hands.1", offset=0, known=held)
    assert hands.store.run(call) == (-1, 1)
    assert [job.get_status() for job in (known, lost, other)] == ["started", "queued", "started"]
    assert lost.attempt == 0


def test_jobs_given_back_keep_their_order(q: Queue, hands: Hands) -> None:
    jobs = [q.enqueue(steps.nothing) for _ in range(5)]
    claimed = hands.claim(want=3)
    assert hands.store.run(claims.give_back(claimed)) == 3
    assert q.job_ids == [job.id for job in jobs]


# Times that come


def test_a_delayed_job_is_queued_when_its_time_comes(q: Queue, hands: Hands) -> None:
    job = q.enqueue_in(60, steps.nothing)
    found = hands.maintain()
    assert found.promoted == 0
    assert found.next_due_ms is not None
    assert 59_000 < found.next_due_ms <= 60_000
    hands.pass_time("scheduled:work", 60_000)
    assert hands.maintain().promoted == 1
    assert job.is_queued


def test_a_ttl_that_runs_out_cancels_the_job_and_tells_its_dependents(q: Queue, hands: Hands) -> None:
    queued = q.enqueue(steps.nothing, ttl=60)
    deferred = q.enqueue(steps.nothing, ttl=120, depends_on=queued)
    below = q.enqueue(steps.nothing, depends_on=queued)
    instead = q.enqueue(steps.nothing, depends_on=Dependency(queued, rule="all_failed"))
    hands.pass_time("timers", 60_000)
    assert hands.maintain().expired[0] == queued.id
    assert queued.is_canceled
    assert queued.reason == "its ttl of 60 s ran out before it started"
    assert [job.get_status() for job in (deferred, below, instead)] == ["upstream_failed", "upstream_failed", "queued"]
    assert q.job_ids == [instead.id]
    assert [claim.id for claim in hands.claim(want=5)] == [instead.id]


def test_a_job_that_has_started_has_no_ttl_any_more(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing, ttl=60, retry=1)
    (claim,) = hands.claim()
    hands.settle(Outcome(claim, "failed", delay_ms=0, value=b"{}"))
    assert not hands.connection.exists("{rqdeps}:timers")
    assert job.is_queued


def test_a_job_given_back_before_it_began_still_has_its_ttl(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing, ttl=60)
    (claim,) = hands.claim()
    hands.store.run(claims.give_back([claim]))
    hands.pass_time("timers", 60_000)
    assert hands.maintain().expired == [job.id]


# Deletion


def test_a_finished_job_is_deleted_with_all_that_belongs_to_it(q: Queue, hands: Hands) -> None:
    long = "x" * 100
    job = q.enqueue(steps.echo, long, description=long, meta={"long": long}, retry=1)
    (claim,) = hands.claim()
    hands.settle(Outcome(claim, "failed", delay_ms=0, value=b"{}"))
    hands.finish(b'j"' + long.encode() + b'"')
    assert job.result == long
    hands.age(job, HOUR_MS)
    hands.pass_time("finished:work", HOUR_MS)
    assert hands.maintain().looked_at == 1
    assert not any(job.id in key for key in hands.stored())
    assert not Job.exists(job.id, connection=hands.connection)


def test_a_short_result_ttl_drops_the_value_but_keeps_the_record(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing, result_ttl=1)
    hands.finish()
    hands.pass_time("finished:work", 1_000)
    hands.maintain()
    assert job.is_finished
    assert job.return_value() is None
    hands.age(job, HOUR_MS)
    hands.pass_time("finished:work", HOUR_MS)
    hands.maintain()
    assert not Job.exists(job.id, connection=hands.connection)


def test_a_result_ttl_of_zero_stores_no_value_unless_a_dependent_may_want_it(q: Queue, hands: Hands) -> None:
    alone = q.enqueue(steps.nothing, result_ttl=0)
    hands.finish()
    assert alone.return_value() is None
    wanted = q.enqueue(steps.nothing, result_ttl=0)
    taker = q.enqueue(steps.echo, wanted.output)
    hands.finish()
    assert wanted.result == 1
    assert taker.is_queued


def test_a_result_ttl_of_minus_one_keeps_the_job_for_ever(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing, result_ttl=-1)
    hands.finish()
    hands.age(job, 10 * 365 * 24 * HOUR_MS)
    assert hands.maintain().looked_at == 0
    assert job.result == 1


def test_a_job_that_an_unfinished_dependent_may_read_is_kept(q: Queue, hands: Hands) -> None:
    job = q.enqueue(steps.nothing)
    hands.finish()
    taker = q.enqueue(steps.echo, job.output)
    hands.age(job, HOUR_MS)
    hands.pass_time("finished:work", HOUR_MS)
    hands.maintain()
    assert job.result == 1
    hands.finish()
    assert taker.is_finished
    hands.pass_time("finished:work", HOUR_MS)
    hands.age(taker, HOUR_MS)
    hands.maintain()
    assert not Job.exists(job.id, connection=hands.connection)


def test_nothing_is_left_once_all_jobs_are_deleted(q: Queue, hands: Hands) -> None:
    jobs: list[Job[object]] = [q.enqueue(steps.nothing)]
    for _ in range(5):
        jobs.append(q.enqueue(steps.nothing, depends_on=jobs))
    for _ in jobs:
        hands.finish()
    for _ in range(2 * len(jobs)):
        for job in jobs:
            if Job.exists(job.id, connection=hands.connection):
                hands.age(job, HOUR_MS)
        hands.pass_time("finished:work", HOUR_MS)
        hands.maintain()
    permanent = {"{rqdeps}:schema", "{rqdeps}:queues", "{rqdeps}:beat", "{rqdeps}:wake:work"}
    assert hands.stored() <= permanent


def test_what_somebody_waits_for_comes_before_many_deletions(q: Queue, hands: Hands, connection: Redis) -> None:
    crowd = Queue("crowd", connection=connection)
    crowd.enqueue_many([Queue.prepare_data(steps.nothing) for _ in range(BUDGET)])
    for job in crowd.get_jobs():
        job.cancel()
    lost, delayed, dated = q.enqueue(steps.nothing), q.enqueue_in(60, steps.nothing), q.enqueue(steps.nothing, ttl=60)
    hands.maintain()
    hands.claim()
    hands.pass_time("started:work", LEASE_MS + 1)
    hands.pass_time("scheduled:work", HOUR_MS)
    hands.pass_time("timers", HOUR_MS)
    hands.pass_time("canceled:crowd", 2 * 365 * 24 * HOUR_MS)
    done = hands.store.run(upkeep.maintain(["crowd", "work"], lease_ms=LEASE_MS))
    assert (done.recovered, done.promoted, done.expired) == ([lost.id], 1, [dated.id])
    assert done.has_more
    assert 0 < done.looked_at < BUDGET
    assert delayed.is_queued


# When


class Server:
    """Says what a worker's calls of upkeep come to."""

    def __init__(self, queues: list[str]) -> None:
        self.beaten = upkeep.Beaten(queues, [])
        self.crowded: set[str] = set()
        self.asked: list[list[str] | str] = []

    def answer(self, plan: Upkeep) -> None:
        due = plan.due_call()
        assert due is not None
        call, then = due
        if call.script == "beat":
            self.asked.append("beat")
            then(self.beaten)
            return
        names = list(map(str, call.args[2:]))
        self.asked.append(names)
        has_more = not self.crowded.isdisjoint(names)
        then(Maintained(has_more, None, [], [], promoted=0, looked_at=0))


def test_a_worker_beats_however_much_there_is_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rqdeps.worker.upkeep.time.monotonic", lambda: clock[0])
    plan = Upkeep("worker", ["work"], 1, LEASE_MS, hear=lambda messages: None)
    server = Server(["work"])
    server.crowded = {"work"}
    for _ in range(3):
        for _ in range(4):
            server.answer(plan)
        clock[0] += 1.01
    assert server.asked == ["beat", ["work"], ["work"], ["work"]] * 3


def test_queues_where_little_is_due_do_not_wait_for_those_where_much_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rqdeps.worker.upkeep.time.monotonic", lambda: clock[0])
    first = [f"a{i:02}" for i in range(upkeep.QUEUES_PER_CALL)]
    plan = Upkeep("worker", first, 1, LEASE_MS, hear=lambda messages: None)
    server = Server([*first, "z"])
    server.crowded = {"a00"}
    for _ in range(2):
        for _ in range(5):
            server.answer(plan)
        clock[0] += 1.01
    assert server.asked == ["beat", first, ["z"], first, first, "beat", first, ["z"], first, first]
