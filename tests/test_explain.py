"""What ``job.explain()`` says: one sentence on why a job does not run, or how it ended, and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import samples
from by_hand import HandWorker
from every_status import STATUSES, budget, claim_until, job_in, maintain
from redis import Redis

from rqdeps import Dependency, Job, NoSuchJobError, Queue
from rqdeps.dependency import RULES, Rule
from rqdeps.errors import UpstreamFailedError
from rqdeps.fallback import Fallback
from rqdeps.store.calls import claims, upkeep
from rqdeps.store.calls.claims import Outcome

NOBODY = ", and no live worker serves that queue: start one with `rqdeps worker default`"
NEXT = "Job {} is next in queue default" + NOBODY + "."


def named(queue: Queue, job_id: str, **options: Any) -> Job[Any]:
    return queue.enqueue(samples.anything, job_id=job_id, **options)


def beat(queue: Queue, queues: str = "default", name: str = "hand") -> None:
    """A worker is alive, and serves these queues."""
    queue.store.run(upkeep.beat(name, {"pid": 1, "queues": queues}))


def fall_silent(connection: Redis, name: str = "hand") -> None:
    connection.hincrby(f"{{rqdeps}}:worker:{name}", "beat_at", -60_000)


def fail(hands: HandWorker, job: Job[Any], message: str = "no such file") -> None:
    claim_until(hands, job.id)
    outcome = Outcome(hands.held.pop(job.id), "failed", value=f'{{"message": "{message}"}}'.encode())
    hands._report(outcome)


def finish(hands: HandWorker, job: Job[Any]) -> None:
    claim_until(hands, job.id)
    hands.finish(job.id, b"jnull")


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_explained_in_one_sentence(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands)
    sentence = job.explain()
    assert re.fullmatch(rf"Job {job.id} [^\n]+[^.]\.", sentence), sentence
    assert "None" not in sentence


def test_a_job_that_does_not_exist_is_not_explained(q: Queue) -> None:
    job = named(q, "a")
    job.delete()
    with pytest.raises(NoSuchJobError):
        job.explain()


# Not let go yet


def test_a_draft(connection: Redis) -> None:
    draft = Job.create(samples.anything, connection=connection, id="a")
    assert draft.explain() == "Job a is not saved yet: Queue.enqueue_job enqueues it."


def test_a_held_job_and_who_waits_for_it(q: Queue) -> None:
    held = q.options(hold=True, job_id="a").enqueue(samples.anything)
    after = named(q, "b", depends_on=held)
    assert held.explain() == "Job a is held: release() lets it go."
    assert after.explain() == "Job b waits for 1 of 1 dependency (all_success): a (anything), which is held."


# Queued


def test_a_queued_job_has_a_place(q: Queue) -> None:
    jobs = [named(q, job_id) for job_id in "abc"]
    assert jobs[0].explain() == NEXT.format("a")
    assert jobs[1].explain() == f"Job b is behind 1 job in queue default{NOBODY}."
    assert jobs[2].explain() == f"Job c is behind 2 jobs in queue default{NOBODY}."


def test_a_queued_job_for_which_there_is_a_worker(q: Queue, connection: Redis) -> None:
    job = named(q, "a")
    beat(q, "other")
    assert job.explain() == NEXT.format("a")
    beat(q, "other default")
    assert job.explain() == "Job a is next in queue default."
    fall_silent(connection)
    assert job.explain() == NEXT.format("a")


def test_a_paused_queue_is_to_be_resumed(q: Queue) -> None:
    job = named(q, "a")
    beat(q)
    q.pause()
    assert job.explain() == "Job a is next in queue default, which is paused: resume() lets its jobs run."
    q.resume()
    assert job.explain() == "Job a is next in queue default."


# Scheduled


def test_a_job_that_waits_for_its_time(q: Queue) -> None:
    beat(q)
    for delay, shown in ((30, r"(29|30) s"), (600, "10 min"), (5 * 3600, "5 h")):
        job = q.enqueue_in(delay, samples.anything, job_id=f"in-{delay}", args=[])
        sentence = rf"Job in-{delay} waits for its time, which comes in {shown}\."
        assert re.fullmatch(sentence, job.explain()), job.explain()


def test_a_job_that_waits_for_its_next_attempt(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", retry=2)
    claim_until(hands, "a")
    hands.fail("a", retry_in_ms=600_000)
    assert job.explain() == f"Job a runs again in 10 min, after 1 attempt{NOBODY}."


# Started


def test_a_job_that_runs(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = named(q, "a", retry=1)
    beat(q)
    claim_until(hands, "a")
    assert job.explain() == "Job a runs on worker hand (attempt 1)."
    hands.fail("a", retry_in_ms=0)
    claim_until(hands, "a")
    assert job.explain() == "Job a runs on worker hand (attempt 2)."
    job.cancel()
    assert job.explain() == "Job a runs on worker hand, which was asked to stop it."
    fall_silent(connection)
    assert job.explain() == (
        "Job a was taken by worker hand, which gives no sign of life: it ends as stopped when its lease ends, "
        "in 60 min."
    )


def test_a_job_whose_worker_is_lost(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a")
    claim_until(hands, "a")
    assert job.explain() == (
        "Job a was taken by worker hand, which gives no sign of life: it goes back to its queue when its lease ends, "
        "in 60 min."
    )


# Deferred


def test_a_job_that_waits_names_what_it_waits_for_and_what_that_does(q: Queue, hands: HandWorker) -> None:
    running, done = named(q, "running"), named(q, "done")
    claim_until(hands, "done")
    finish(hands, done)
    queued = named(q, "queued")
    deferred = named(q, "deferred", depends_on=queued)
    later = q.enqueue_in(60, samples.anything, job_id="later", args=[])
    found = {
        each.id: named(q, f"after-{each.id}", depends_on=[each, done]).explain()
        for each in (running, queued, deferred, later)
    }
    for job_id, doing in {
        "running": "runs",
        "queued": "is queued",
        "deferred": "waits for others itself",
        "later": "waits for its time",
    }.items():
        assert found[job_id] == (
            f"Job after-{job_id} waits for 1 of 2 dependencies (all_success): {job_id} (anything), which {doing}."
        )


def test_a_job_that_waits_for_many_names_three_and_all_rules(q: Queue) -> None:
    jobs = [named(q, f"j{n}") for n in range(6)]
    groups = [Dependency(jobs[:3], rule="all_done"), Dependency(jobs[3:], rule="one_success")]
    sentence = named(q, "a", depends_on=groups).explain()
    assert sentence.startswith("Job a waits for 6 of 6 dependencies (all_done, one_success): j")
    assert sentence.count("(anything), which is queued; ") == 3
    assert sentence.endswith("; and others.")


def test_a_job_with_more_dependencies_than_one_page_is_explained(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    jobs = queue.enqueue_many([Queue.prepare_data(samples.anything) for _ in range(700)])
    job = queue.enqueue(samples.anything, depends_on=jobs)
    jobs[0].skip()
    assert job.explain().startswith(f"Job {job.id} waits for 699 of 700 dependencies (all_success): ")


# Fallbacks


def test_a_fallback_and_its_job(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", fallback=Fallback(samples.report, 1, job_id="spare"))
    fallback, after = Job[Any]("spare", q.store), named(q, "after", depends_on=job)
    assert fallback.explain() == "Job spare stands in for a (anything), which is queued, in case that fails."
    claim_until(hands, "a")
    assert fallback.explain() == "Job spare stands in for a (anything), which runs, in case that fails."
    fail(hands, job)
    assert job.explain() == "Job a has failed: no such file; spare (report), which is queued, stands in for it."
    assert fallback.explain() == NEXT.format("spare")
    assert after.explain() == (
        "Job after waits for 1 of 1 dependency (all_success): a failed, and its fallback has not ended."
    )
    fail(hands, fallback, "no fallback either")
    assert job.explain() == "Job a has failed: no such file; spare (report), which failed, stands in for it."
    assert after.explain() == (
        "Job after can't run: all_success can't be met, since a (anything) failed: no such file; "
        "it began where spare (report) failed: no fallback either; requeue that, or skip it."
    )
    # That advice is good.
    with pytest.raises(UpstreamFailedError, match=r"requeue 'spare' \(failed\) instead"):
        after.requeue()
    fallback.requeue()
    assert after.is_deferred
    finish(hands, fallback)
    assert job.explain() == "Job a has failed: no such file; spare (report), which finished, stands in for it."


def test_a_fallback_that_was_not_needed(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", fallback=Fallback(samples.report, 1, job_id="spare"))
    finish(hands, job)
    assert Job("spare", q.store).explain() == (
        "Job spare was not needed: a (anything), which finished, and it stands in for that only if it fails."
    )


def test_a_fallback_that_waits_for_an_output_says_so(q: Queue, hands: HandWorker) -> None:
    slow = named(q, "slow")
    job = named(q, "a", fallback=Fallback(samples.report, slow.output_or(1), job_id="spare"))
    fail(hands, job)
    assert Job("spare", q.store).explain() == (
        "Job spare waits for 1 of 2 dependencies (all_done): slow (anything), which runs."
    )


# Ended


def test_ends_of_its_own(q: Queue, hands: HandWorker, connection: Redis) -> None:
    finished, failed, silent, canceled, stopped = (named(q, f"j{n}") for n in range(5))
    finish(hands, finished)
    fail(hands, failed)
    fail(hands, silent, "")
    canceled.cancel()
    claim_until(hands, stopped.id)
    stopped.cancel()
    q.store.run(claims.give_back([hands.held.pop(stopped.id)]))
    assert [job.explain() for job in (finished, failed, silent, canceled, stopped)] == [
        "Job j0 has finished.",
        "Job j1 has failed: no such file.",
        "Job j2 has failed.",
        "Job j3 was canceled.",
        "Job j4 was stopped.",
    ]


def test_ends_that_have_a_reason(q: Queue, hands: HandWorker, connection: Redis) -> None:
    late, skipped, root = named(q, "late", ttl=60), named(q, "skipped"), named(q, "root")
    after = named(q, "after", depends_on=root)
    connection.zadd("{rqdeps}:timers", {"late": 1})
    maintain(q.store)
    skipped.skip()
    root.delete()
    assert late.explain() == "Job late is canceled: its ttl of 60 s ran out before it started."
    assert skipped.explain() == "Job skipped is finished: a person had it skipped, with this value as its output."
    assert after.explain() == "Job after is canceled: job root, which it waited for, was deleted."


# Kept from running


def test_the_dependency_that_failed_is_named_with_what_it_said(q: Queue, hands: HandWorker) -> None:
    root = named(q, "root")
    after = named(q, "after", depends_on=root)
    fail(hands, root)
    assert after.explain() == (
        "Job after can't run: all_success can't be met, since root (anything) failed: no such file; "
        "requeue that, or skip it."
    )


def test_the_root_is_named_however_far_above(q: Queue, hands: HandWorker) -> None:
    root = named(q, "root")
    job = named(q, "j0", depends_on=root)
    for n in range(1, 10):
        job = named(q, f"j{n}", depends_on=job)
    fail(hands, root)
    with budget(3):
        assert job.explain() == (
            "Job j9 can't run: all_success can't be met, since j8 (anything) is upstream_failed; "
            "it began where root (anything) failed: no such file; requeue that, or skip it."
        )


def test_three_of_many_roots_are_named(q: Queue, hands: HandWorker) -> None:
    roots = [job_in("failed", q, hands, job_id=f"root-{n}") for n in range(5)]
    sentence = named(q, "a", depends_on=roots).explain()
    assert sentence.count("(anything) failed: no; ") == 3
    assert sentence.endswith("; and others; requeue that, or skip it.")


def test_a_canceled_dependency_is_named(q: Queue) -> None:
    root = named(q, "root")
    after = named(q, "after", depends_on=root)
    root.cancel()
    assert after.explain() == (
        "Job after can't run: all_success can't be met, since root (anything) was canceled; requeue that, or skip it."
    )


def test_a_deleted_root_is_not_to_be_requeued(q: Queue, hands: HandWorker) -> None:
    root = named(q, "root")
    after = named(q, "after", depends_on=root)
    fail(hands, root)
    root.delete()
    assert after.explain() == (
        "Job after can't run: all_success can't be met, since root failed, and has been deleted since; "
        "requeue(force=True) runs this job all the same."
    )


def test_of_several_groups_those_that_can_not_be_met_are_named(q: Queue, hands: HandWorker) -> None:
    good, bad = job_in("finished", q, hands, job_id="good"), job_in("failed", q, hands, job_id="bad")
    groups = [Dependency(good, rule="all_done"), Dependency(bad, rule="none_failed")]
    assert named(q, "a", depends_on=groups).explain() == (
        "Job a can't run: none_failed can't be met, since bad (anything) failed: no; requeue that, or skip it."
    )
    groups = [Dependency(bad, rule="all_done"), Dependency(job_in("failed", q, hands, job_id="worse"))]
    job = named(q, "b", depends_on=groups)
    assert job.explain() == (
        "Job b can't run: all_success can't be met, since worse (anything) failed: no; requeue that, or skip it."
    )
    with pytest.raises(UpstreamFailedError) as caught:
        job.requeue()
    assert caught.value.culprits == [("worse", "failed")]


@pytest.mark.parametrize("rule", RULES)
def test_under_every_rule_those_to_blame_are_those_that_spoil_it(q: Queue, hands: HandWorker, rule: Rule) -> None:
    """A job of each end, first alone, then all together."""
    ends = {status: job_in(status, q, hands, job_id=status) for status in ("finished", "failed", "skipped")}
    spoilers = {
        "all_success": "failed skipped",
        "all_failed": "finished skipped",
        "one_success": "failed skipped",
        "one_failed": "finished skipped",
        "one_done": "skipped",
        "none_failed": "failed",
        "none_skipped": "skipped",
        "none_failed_min_one_success": "failed skipped",
        "all_done_min_one_success": "failed skipped",
        "all_done": "",
    }[rule].split()
    for status, job in ends.items():
        alone = q.enqueue(samples.anything, depends_on=Dependency(job, rule=rule))
        assert alone.is_queued is (status not in spoilers)
        assert (f"since {status} (anything)" in alone.explain()) is (status in spoilers)
    whole = q.enqueue(samples.anything, depends_on=Dependency(list(ends.values()), rule=rule))
    if not whole.is_queued:
        assert [status for status in ends if f" {status} (anything)" in whole.explain()] == spoilers


def test_the_branch_not_taken(q: Queue, hands: HandWorker) -> None:
    good = job_in("finished", q, hands, job_id="good")
    skipped = named(q, "skipped", depends_on=Dependency(good, rule="all_failed"))
    below = named(q, "below", depends_on=skipped)
    assert skipped.explain() == (
        "Job skipped was skipped, as the branch not taken: all_failed can't be met, since good (anything) finished."
    )
    assert below.explain() == (
        "Job below was skipped, as the branch not taken: all_success can't be met, since skipped (anything) is skipped."
    )


@pytest.mark.parametrize("size", [1, 3, 500])
def test_what_is_to_blame_is_found_in_a_graph_of_diamonds(valkey: Redis, size: int) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    root = named(queue, "root")
    last = root
    for n in range(12):
        sides = [named(queue, f"side-{n}-{side}", depends_on=last) for side in range(2)]
        last = named(queue, f"end-{n}", depends_on=sides)
    fail(hands, root)
    with budget(size):
        assert last.explain().endswith(
            "; it began where root (anything) failed: no such file; requeue that, or skip it."
        )
