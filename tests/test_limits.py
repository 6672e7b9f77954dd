"""``Queue.limit``: at most so many jobs of a queue are started at once, over all workers, and none waits longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import samples
import steps
from by_hand import LEASE_MS, HandWorker, statuses
from every_status import budget, maintain
from processes import eventually, lines, worker_process
from redis import Redis

from rqdeps import Job, Queue, SimpleWorker, Worker
from rqdeps.store.calls import changes, claims, reads, upkeep
from rqdeps.store.calls.claims import Outcome, OutcomeKind
from rqdeps.store.invariants import InvariantError, check_invariants

P = "{rqdeps}:"


def enqueue(queue: Queue, count: int, **options: object) -> list[Job[object]]:
    return [queue.enqueue(samples.anything, **options) for _ in range(count)]


def take_marker(queue: Queue) -> bool:
    """What an idle worker does when it is woken. Returns whether it was."""
    return bool(queue.store.client.zpopmin(f"{P}wake:{queue.name}"))


def started(queue: Queue) -> int:
    return queue.counts["started"]


@pytest.fixture
def other_hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, name="other")


# Setting it


def test_a_queue_has_no_limit_until_it_is_given_one(q: Queue):
    assert q.started_limit is None
    q.limit(3)
    assert q.started_limit == 3
    assert Queue.on("other", q.store).started_limit is None
    q.limit(2)
    assert q.started_limit == 2
    q.limit(None)
    q.limit(None)
    assert q.started_limit is None


@pytest.mark.parametrize("most", [True, False, "3", 2.0, [1]])
def test_a_limit_is_a_whole_number(q: Queue, most: object):
    with pytest.raises(
        TypeError, match=f"a limit is a number of jobs, or None for any number, not {type(most).__name__}"
    ):
        q.limit(most)  # type: ignore[arg-type]
    assert q.started_limit is None


@pytest.mark.parametrize("most", [0, -1])
def test_a_limit_is_at_least_1(q: Queue, most: int):
    with pytest.raises(ValueError, match=rf"from 1 up, not {most}; pause\(\) stops a queue altogether"):
        q.limit(most)


def test_a_limit_may_be_huge(q: Queue, hands: HandWorker):
    q.limit(10**400)
    jobs = enqueue(q, 3)
    assert hands.claim() == [job.id for job in jobs]


def test_a_queue_that_has_no_jobs_yet_can_be_limited(q: Queue, connection: Redis):
    q.limit(1)
    assert [queue.name for queue in Queue.all(connection)] == ["default"]


# Claiming


def test_never_more_than_the_limit_are_started_over_two_workers(q: Queue, hands: HandWorker, other_hands: HandWorker):
    q.limit(3)
    jobs = enqueue(q, 10)
    done: list[str] = []
    while len(done) < len(jobs):
        for worker in (hands, other_hands):
            worker.claim(2)
            assert started(q) <= 3
        assert started(q) == min(3, len(jobs) - len(done))
        for worker in (other_hands, hands):
            for job_id in list(worker.held)[:1]:
                worker.finish(job_id)
                done.append(job_id)
    assert sorted(done) == sorted(job.id for job in jobs)
    assert {job.get_status() for job in jobs} == {"finished"}


def test_one_claim_of_many_takes_no_more_than_there_is_room_for(q: Queue, hands: HandWorker, other_hands: HandWorker):
    q.limit(3)
    jobs = enqueue(q, 5)
    assert hands.claim(1) == [jobs[0].id]
    assert other_hands.claim(100) == [jobs[1].id, jobs[2].id]
    assert hands.claim(100) == []


def test_a_worker_is_not_told_that_there_is_more_where_there_is_no_room(q: Queue, hands: HandWorker):
    q.limit(2)
    enqueue(q, 5)

    def settle(want: int) -> claims.Settled:
        call = claims.settle([], holder="hand.1", lease_ms=LEASE_MS, queues=["default"], want=want, begin=want)
        return q.store.run(call)

    assert take_marker(q)
    first = settle(1)
    assert (len(first.claimed), first.has_more) == (1, True)
    assert take_marker(q)
    for want, claimed in ((5, 1), (5, 0), (0, 0)):
        settled = settle(want)
        assert (len(settled.claimed), settled.has_more) == (claimed, False)
        assert not take_marker(q), "whoever were woken by it would look in vain, again and again"


def test_entries_that_no_longer_count_take_no_room(q: Queue, hands: HandWorker):
    q.limit(2)
    jobs = enqueue(q, 6)
    for job in jobs[1:4]:
        job.cancel()
    assert hands.claim() == [jobs[0].id, jobs[4].id]


def test_of_two_queues_one_is_limited(connection: Redis):
    limited, free = Queue("limited", connection=connection), Queue("free", connection=connection)
    limited.limit(1)
    first, second = enqueue(limited, 3), enqueue(free, 3)
    hands = HandWorker(limited.store, ["limited", "free"])
    assert hands.claim(3) == [first[0].id, second[0].id, second[1].id]
    call = claims.settle([], holder="hand.1", lease_ms=LEASE_MS, queues=["limited", "free"], want=0, begin=0)
    assert limited.store.run(call).has_more
    assert hands.claim(3) == [second[2].id]
    assert not limited.store.run(call).has_more
    hands.finish(second[0].id)
    assert hands.claim(3) == []
    hands.finish(first[0].id)
    assert hands.claim(3) == [first[1].id]


def test_a_report_that_makes_room_claims_in_the_same_call(q: Queue, hands: HandWorker):
    """Else a worker that had been told that there is nothing to claim would have to be woken by its own marker."""
    q.limit(1)
    first, second = enqueue(q, 2)
    hands.claim()
    outcome = Outcome(hands.held[first.id], "finished", value=b"jnull")
    call = claims.settle([outcome], holder="hand.1", lease_ms=LEASE_MS, queues=["default"], want=1, begin=1, look=False)
    assert [claim.id for claim in q.store.run(call).claimed] == [second.id]


# Whatever makes room wakes whoever waits for it


def report(kind: OutcomeKind, delay_ms: int = claims.NO_RETRY) -> Callable[[HandWorker, Job[object]], None]:
    def make_room(hands: HandWorker, job: Job[object]) -> None:
        hands._report(Outcome(hands.held.pop(job.id), kind, delay_ms, b"{}"))

    return make_room


def cancel_and(make_room: Callable[[HandWorker, Job[object]], None]) -> Callable[[HandWorker, Job[object]], None]:
    def cancel_then(hands: HandWorker, job: Job[object]) -> None:
        job.cancel()
        make_room(hands, job)

    return cancel_then


def lose_lease(hands: HandWorker, job: Job[object]) -> None:
    hands.store.client.zadd(f"{P}started:default", {job.id: 1})
    assert hands.store.run(upkeep.maintain(["default"], lease_ms=LEASE_MS)).recovered == [job.id]


def kill_with_poison(hands: HandWorker, job: Job[object]) -> None:
    hands.store.client.hset(f"{P}job:{job.id}", "deaths", 2)
    lose_lease(hands, job)
    assert job.is_failed


def give_back(hands: HandWorker, job: Job[object]) -> None:
    assert hands.store.run(claims.give_back([hands.held[job.id]])) == 1


def reclaim(hands: HandWorker, job: Job[object]) -> None:
    known = [claim for claim in hands.held.values() if claim.id != job.id]
    assert hands.store.run(claims.reclaim("default", holder=hands.holder, offset=0, known=known)) == (-1, 1)


WAYS: dict[str, Callable[[HandWorker, Job[object]], None]] = {
    "finished": report("finished"),
    "failed": report("failed"),
    "failed, retried at once": report("failed", 0),
    "failed, retried later": report("failed", 3_600_000),
    "snoozed": report("snoozed", 3_600_000),
    "stopped": report("stopped"),
    "canceled, then failed": cancel_and(report("failed", 0)),
    "canceled, then given back": cancel_and(give_back),
    "canceled, then lost": cancel_and(lose_lease),
    "given back": give_back,
    "claimed in a call whose reply was lost": reclaim,
    "lost": lose_lease,
    "killed its worker for the third time": kill_with_poison,
    "skipped": lambda hands, job: job.skip(),
    "deleted": lambda hands, job: job.delete(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_set", ["before", "while it runs", "anew"])
def test_whatever_makes_room_wakes_a_worker(q: Queue, hands: HandWorker, connection: Redis, way: str, is_set: str):
    if is_set == "before":
        q.limit(1)
    elif is_set == "anew":
        q.limit(1)
        q.limit(None)
    runs = q.enqueue(samples.anything, retry=1)
    assert hands.claim() == [runs.id]
    q.limit(1)
    waits = q.enqueue(samples.anything)
    assert take_marker(q)
    assert hands.claim() == []
    check_invariants(connection, quiet=True)
    WAYS[way](hands, runs)
    check_invariants(connection, quiet=True)
    assert take_marker(q)
    assert hands.claim() in ([waits.id], [runs.id])
    assert hands.claim() == []
    assert not take_marker(q)


@pytest.mark.parametrize("way", WAYS)
def test_what_makes_no_room_wakes_nobody(q: Queue, hands: HandWorker, connection: Redis, way: str):
    """A limit was lowered: two more have to go before there is room again."""
    runs, *_ = enqueue(q, 3)
    hands.claim()
    q.limit(1)
    enqueue(q, 2)
    take_marker(q)
    assert hands.claim() == []
    WAYS[way](hands, runs)
    check_invariants(connection, quiet=True)
    if statuses(q.store, [runs.id]) != ["queued"]:  # which wakes somebody, whether or not there is room
        assert not take_marker(q)


def test_the_invariants_notice_a_marker_that_is_missing(q: Queue, hands: HandWorker, connection: Redis):
    q.limit(1)
    first, _ = enqueue(q, 2)
    take_marker(q)
    hands.claim()
    check_invariants(connection, quiet=True)
    hands.finish(first.id)
    assert take_marker(q)
    with pytest.raises(InvariantError, match="queue default has jobs to claim, and no wake marker"):
        check_invariants(connection, quiet=True)


def test_an_end_wakes_nobody_where_nothing_waits(q: Queue, hands: HandWorker):
    q.limit(2)
    (only,) = enqueue(q, 1)
    take_marker(q)
    hands.claim()
    hands.finish(only.id)
    assert not take_marker(q)


# Changing it


def test_raising_it_wakes_a_worker(q: Queue, hands: HandWorker, connection: Redis):
    q.limit(1)
    jobs = enqueue(q, 4)
    hands.claim()
    take_marker(q)
    q.limit(3)
    check_invariants(connection, quiet=True)
    assert take_marker(q)
    assert hands.claim() == [job.id for job in jobs[1:3]]


def test_removing_it_wakes_a_worker(q: Queue, hands: HandWorker, connection: Redis):
    q.limit(1)
    jobs = enqueue(q, 4)
    hands.claim()
    take_marker(q)
    q.limit(None)
    check_invariants(connection, quiet=True)
    assert take_marker(q)
    assert hands.claim() == [job.id for job in jobs[1:]]


def test_lowering_it_stops_nothing_and_holds_from_then_on(q: Queue, hands: HandWorker, connection: Redis):
    q.limit(3)
    jobs = enqueue(q, 6)
    hands.claim()
    take_marker(q)
    q.limit(1)
    check_invariants(connection, quiet=True)
    assert started(q) == 3
    for job in jobs[:2]:
        hands.finish(job.id)
        assert hands.claim() == []
    hands.finish(jobs[2].id)
    assert hands.claim() == [jobs[3].id]


def test_a_limit_takes_effect_while_many_run(valkey: Redis):
    q = Queue(connection=valkey)
    hands = HandWorker(q.store)
    jobs = enqueue(q, 300)
    while hands.claim():
        pass
    with budget(10):
        q.limit(1)
    late = q.enqueue(samples.anything)
    take_marker(q)
    for job in jobs[:-1]:
        hands.finish(job.id)
    assert not take_marker(q)
    hands.finish(jobs[-1].id)
    check_invariants(valkey, quiet=True)
    assert take_marker(q)
    assert hands.claim() == [late.id]


def test_a_paused_queue_stays_paused_whatever_its_limit(q: Queue, hands: HandWorker, connection: Redis):
    q.limit(1)
    first, second = enqueue(q, 2)
    hands.claim()
    q.pause()
    take_marker(q)
    hands.finish(first.id)
    assert not take_marker(q)
    q.limit(5)
    assert not take_marker(q)
    assert hands.claim() == []
    q.resume()
    check_invariants(connection, quiet=True)
    assert take_marker(q)
    assert hands.claim() == [second.id]


def test_a_queue_that_is_resumed_keeps_its_limit(q: Queue, hands: HandWorker):
    q.limit(1)
    jobs = enqueue(q, 3)
    q.pause()
    assert (q.is_paused, q.started_limit) == (True, 1)
    q.resume()
    assert hands.claim() == [jobs[0].id]
    assert hands.claim() == []


def test_a_limit_outlives_all_jobs_and_workers(q: Queue, hands: HandWorker, connection: Redis):
    q.limit(1)
    (job,) = enqueue(q, 1)
    hands.claim()
    hands.finish(job.id)
    job.delete()
    maintain(q.store)
    assert q.started_limit == 1
    check_invariants(connection, quiet=True)


# Looking at it


def test_a_job_that_waits_for_room_says_so(q: Queue, hands: HandWorker):
    q.store.run(upkeep.beat("hand", {"queues": "default"}))
    q.limit(1)
    jobs = enqueue(q, 3)
    assert jobs[1].explain() == f"Job {jobs[1].id} is behind 1 job in queue default.", "so far it waits for a worker"
    hands.claim()
    next_one = f"Job {jobs[1].id} is next in queue default, of which at most"
    assert jobs[1].explain() == f"{next_one} 1 runs at once."
    assert jobs[2].explain().endswith("is behind 1 job in queue default, of which at most 1 runs at once.")
    q.limit(2)
    assert jobs[1].explain() == f"Job {jobs[1].id} is next in queue default."
    hands.claim(1)
    assert jobs[2].explain() == f"Job {jobs[2].id} is next in queue default, of which at most 2 run at once."
    q.pause()
    assert "which is paused" in jobs[2].explain()


def test_whoever_waits_for_a_queue_to_be_empty_waits_for_what_waits_for_room(q: Queue, hands: HandWorker):
    q.limit(1)
    jobs = enqueue(q, 2)
    for job in jobs:
        hands.claim()
        assert q.store.run(reads.settings(["default", "other"])) == [
            reads.QueueSettings(is_paused=False, limit=1),
            reads.QueueSettings(is_paused=False, limit=None),
        ]
        assert q.store.run(upkeep.pending(["default"]))
        hands.finish(job.id)
    assert not q.store.run(upkeep.pending(["default"]))


def test_a_call_that_is_sent_twice_sets_the_same_limit(q: Queue, hands: HandWorker):
    call = changes.limit("default", 2)
    q.store.run(call)
    q.store.run(call.again())
    enqueue(q, 5)
    assert len(hands.claim()) == 2


# Workers


def log_of(path: Path) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in lines(path)]


def most_at_once(path: Path) -> int:
    """How many jobs ran at once at most, by what they have noted."""
    running: set[str] = set()
    most = 0
    for what, job_id in log_of(path):
        (running.add if what == "begin" else running.remove)(job_id)
        most = max(most, len(running))
    return most


@pytest.fixture
def work(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.mark.parametrize("limit", [1, 2])
def test_workers_keep_to_it_and_wait_for_all_in_burst_mode(
    work: Queue, valkey: Redis, valkey_url: str, tmp_path: Path, limit: int
):
    work.limit(limit)
    log = tmp_path / "log"
    jobs = [work.enqueue(steps.note_begin_and_end, str(log), 0.01) for _ in range(30)]
    with ExitStack() as stack:
        options = ("--burst", "--processes", "2")
        processes = [stack.enter_context(worker_process(valkey_url, *options)) for _ in range(2)]
        assert [process.wait() for process in processes] == [0, 0]
    assert {job.get_status() for job in jobs} == {"finished"}
    assert most_at_once(log) == limit
    check_invariants(valkey, quiet=True)


def test_tiny_jobs_are_not_taken_ahead_beyond_it(work: Queue, valkey: Redis, valkey_url: str, tmp_path: Path):
    """A worker that knows that jobs are tiny takes up to 32 ahead."""
    for _ in range(200):
        work.enqueue(steps.nothing)
    work.limit(3)
    fewest = 200
    with worker_process(valkey_url, "--processes", "1") as process:

        def is_done() -> bool:
            nonlocal fewest
            counts = work.counts
            assert counts["started"] <= 3
            fewest = min(fewest, counts["queued"])
            return counts["finished"] == 200

        eventually(is_done, seconds=30)
        process.terminate()
        assert process.wait() == 0
    assert fewest == 0


def test_the_next_job_starts_as_soon_as_there_is_room(work: Queue, valkey_url: str, tmp_path: Path):
    """And not when an idle worker looks after its two seconds of waiting."""
    work.limit(1)
    log = tmp_path / "log"
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(worker_process(valkey_url))
        eventually(lambda: len(reads_of_workers(work)) == 2)
        begun_at = time.monotonic()
        jobs = [work.enqueue(steps.note_begin_and_end, str(log), 0.02) for _ in range(20)]
        jobs[-1].wait(timeout=20)
        took = time.monotonic() - begun_at
    assert most_at_once(log) == 1
    assert took < 10, "20 jobs of 0.02 s each"


def test_room_made_by_a_person_is_used(work: Queue, valkey_url: str):
    work.limit(1)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(worker_process(valkey_url, "--processes", "2"))
        eventually(lambda: len(reads_of_workers(work)) == 2)
        first = work.enqueue(steps.sleep, 60)
        eventually(lambda: first.is_started)
        second = work.enqueue(steps.sleep, 60)
        behind = work.enqueue(steps.echo, "behind")
        work.limit(2)
        eventually(lambda: second.is_started)
        second.skip()
        assert behind.wait(timeout=10) == "behind"
        first.delete()


def reads_of_workers(queue: Queue) -> list[reads.WorkerRecord]:
    return queue.store.run(reads.workers())


def test_idle_workers_do_not_spin_at_a_full_queue(work: Queue, valkey: Redis, valkey_url: str):
    work.limit(1)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(worker_process(valkey_url))
        eventually(lambda: len(reads_of_workers(work)) == 2)
        runs = work.enqueue(steps.sleep, 1.0)
        eventually(lambda: runs.is_started)
        for _ in range(10):
            work.enqueue(steps.nothing)
        eventually(lambda: not valkey.exists(f"{P}wake:work"))
        valkey.config_resetstat()
        assert runs.wait(timeout=10) == 1.0
        calls = valkey.info("commandstats")["cmdstat_evalsha"]["calls"]
        eventually(lambda: work.counts["finished"] == 11)
    assert calls < 60, "signs of life and upkeep, and no looking at the queue over and over"


def test_a_simple_worker_runs_a_limited_queue_to_its_end(connection: Redis):
    queue = Queue("work", connection=connection)
    queue.limit(1)
    jobs = [queue.enqueue(steps.echo, number) for number in range(5)]
    lost = HandWorker(queue.store, ["work"])
    assert lost.claim() == [jobs[0].id]
    lost.finish(jobs[0].id, b"j0")
    SimpleWorker("work", connection=connection).work(burst=True)
    assert [job.result for job in jobs] == list(range(5))


def test_a_worker_with_a_limited_queue_serves_its_others_meanwhile(valkey: Redis, tmp_path: Path):
    slow, fast = Queue("slow", connection=valkey), Queue("fast", connection=valkey)
    slow.limit(1)
    log = tmp_path / "log"
    for _ in range(4):
        slow.enqueue(steps.note_begin_and_end, str(log), 0.05)
    others = [fast.enqueue(steps.echo, number) for number in range(20)]
    Worker(["slow", "fast"], connection=valkey, processes=3).work(burst=True)
    assert most_at_once(log) == 1
    assert [job.result for job in others] == list(range(20))
    ends = [job.ended_at for job in others]
    assert max(end for end in ends if end is not None) < max(
        end for job_id in slow.get_job_ids(status="finished") if (end := Job(job_id, slow.store).ended_at) is not None
    )
