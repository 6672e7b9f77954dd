"""What happens between the steps of a cascade, or of a deletion, that exceeds what one call may cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import pytest
import samples
from by_hand import LEASE_MS, HandWorker, statuses
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

import rqdeps.enqueueing
import rqdeps.store.store
from rqdeps import Dependency, Fallback, Job, Queue
from rqdeps.enqueueing import enqueue_datas
from rqdeps.store import Call
from rqdeps.store.calls import changes, claims, staging, upkeep
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.invariants import check_invariants
from rqdeps.store.keys import Keys
from rqdeps.store.scripts import script


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue(connection=valkey)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store)


@contextmanager
def budget(size: int) -> Iterator[None]:
    """No call may cost more."""
    with mock.patch.object(rqdeps.store.store, "script", partial(script, budget=size)):
        yield


def carry_on(q: Queue) -> None:
    while q.store.run(upkeep.cascade()):
        check_invariants(q.store.client)


def make_due(q: Queue, key: str, job_id: str) -> None:
    assert q.store.client.zadd(f"{{rqdeps}}:{key}", {job_id: 1}, xx=True, ch=True)


def maintain(q: Queue) -> None:
    while q.store.run(upkeep.maintain(["default"], lease_ms=LEASE_MS)).has_more:
        check_invariants(q.store.client)


# Jobs that are to be stopped, and end when their worker gives them up


def test_dependents_hear_of_a_job_that_was_to_be_stopped_and_is_given_back(q: Queue, hands: HandWorker):
    first = q.enqueue(samples.anything)
    second = q.enqueue(samples.anything, depends_on=Dependency(first, rule="all_done"))
    hands.claim()
    first.cancel()
    assert q.store.run(claims.give_back([hands.held[first.id]])) == 1
    assert statuses(q.store, [first.id, second.id]) == ["stopped", "queued"]


def test_dependents_hear_of_a_job_that_was_to_be_stopped_and_whose_claim_was_never_known(q: Queue, hands: HandWorker):
    first = q.enqueue(samples.anything)
    second = q.enqueue(samples.anything, depends_on=first)
    hands.claim()
    first.cancel()
    assert q.store.run(claims.reclaim("default", holder=hands.holder, offset=0, known=[])) == (-1, 1)
    assert statuses(q.store, [first.id, second.id]) == ["stopped", "upstream_failed"]


def test_a_job_that_was_to_be_stopped_is_stopped_even_where_it_would_be_a_poison_pill(q: Queue, hands: HandWorker):
    job = q.enqueue(samples.anything)
    for _ in range(2):
        hands.claim()
        make_due(q, "started:default", job.id)
        maintain(q)
    hands.claim()
    job.cancel()
    make_due(q, "started:default", job.id)
    maintain(q)
    assert statuses(q.store, [job.id]) == ["stopped"]


# Held jobs


def test_a_job_named_twice_is_released_once(q: Queue, hands: HandWorker):
    job = q.options(hold=True).enqueue(samples.anything)
    q.release_many([job, job])
    assert q.job_ids == [job.id]


def staged(q: Queue, *, hold: bool = False) -> tuple[staging.Plan, list[str]]:
    """A graph of three jobs that wait for nothing, staged in as many pieces."""
    jobs = [q.prepare_data(samples.anything, hold=hold).new_job("default") for _ in range(3)]
    plan = staging.plan(jobs, [job.id for job in jobs], budget=2)
    for number, piece in enumerate(plan.pieces, 1):
        q.store.run(staging.stage(plan.gate, number, piece, new_queues=["default"]))
    return plan, [job.id for job in jobs]


def test_a_held_job_can_be_released_while_its_graph_still_goes_through_the_gate(q: Queue, hands: HandWorker):
    plan, ids = staged(q, hold=True)
    with budget(1):
        assert q.store.run(staging.open_gate(plan, len(plan.pieces))) == 1
    q.store.run(changes.release([ids[2]]))
    check_invariants(q.store.client)
    assert hands.claim() == [ids[2]]
    carry_on(q)
    assert statuses(q.store, ids) == ["created", "created", "started"]
    q.store.run(changes.delete(ids, "cancel"))


def test_a_graph_that_went_through_is_not_saved_again_though_its_first_job_is_gone(q: Queue, hands: HandWorker):
    datas = [q.prepare_data(samples.anything) for _ in range(3)]
    jobs = [replace(data, nonce="") for data in datas]  # as where nobody else can know the ids
    lost = []
    evaluate = rqdeps.store.store.evaluate

    def lose_reply_to_open(connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
        replies = evaluate(connection, calls, keys)
        if calls[0].script == "open" and not lost:
            lost.append(calls)
            hands.claim(2)
            hands.finish(jobs[1].id)
            Job(jobs[0].id, q.store).delete()
            raise RedisConnectionError("the reply is lost")
        return replies

    with (
        mock.patch.object(rqdeps.store.store, "evaluate", lose_reply_to_open),
        mock.patch.object(rqdeps.enqueueing, "BUDGET", 1),
    ):
        q.store.perform(enqueue_datas(jobs, "default", q.store.registered))
    assert lost
    assert statuses(q.store, [job.id for job in jobs]) == ["queued", "finished", "queued"]


# Deletions


@pytest.fixture
def big_hashes(valkey: Redis) -> Iterator[None]:
    """Hashes are stored as big ones are, so that they can be walked through in pieces."""
    (name, value), *_ = valkey.config_get("hash-max-listpack-entries").items()
    valkey.config_set(name, 0)
    yield
    valkey.config_set(name, value)


@pytest.mark.usefixtures("big_hashes")
def test_dependencies_may_end_while_their_dependent_is_deleted_in_pieces(q: Queue, hands: HandWorker):
    above = [q.enqueue(samples.anything) for _ in range(30)]
    below = q.enqueue(samples.anything, depends_on=above)
    hands.claim()
    with budget(5):
        q.store.run(changes.delete([below.id], "cancel"))
        for job in above:
            hands.finish(job.id)
            check_invariants(q.store.client)
    assert statuses(q.store, [below.id]) == [None]


@pytest.mark.usefixtures("big_hashes")
def test_dependencies_may_end_while_a_graph_is_given_up_in_pieces(q: Queue, hands: HandWorker):
    above = [q.enqueue(samples.anything) for _ in range(30)]
    below = q.prepare_data(samples.anything, depends_on=above).new_job("default")
    hands.claim()
    q.store.run(staging.stage("gate", 1, staging.Piece([below], [1]), new_queues=()))
    with budget(5):
        for job in above:
            q.store.run(staging.give_up("gate"))
            check_invariants(q.store.client)
            hands.finish(job.id)
            check_invariants(q.store.client)
    assert not q.store.client.keys("*gate*")


def test_a_job_that_is_due_is_kept_until_all_know_of_its_end(q: Queue, hands: HandWorker):
    first = q.enqueue(samples.anything)
    second = q.enqueue(samples.anything, depends_on=first)
    hands.claim()
    with budget(1):
        q.store.run(settled(hands, Outcome(hands.held[first.id], "finished")))
        second.skip()  # so that nobody needs the first any more
    q.store.client.hset(f"{{rqdeps}}:job:{first.id}", "ended_at", 1)
    make_due(q, "finished:default", first.id)
    maintain(q)
    check_invariants(q.store.client)


def settled(hands: HandWorker, outcome: Outcome) -> claims.Call[claims.Settled]:
    return claims.settle(
        [outcome], holder=hands.holder, lease_ms=LEASE_MS, queues=["default"], want=0, begin=0, look=False
    )


# Fallbacks


def test_a_fallback_that_was_not_told_of_the_failure_comes_to_nothing_when_it_is_deleted(q: Queue, hands: HandWorker):
    above = q.enqueue(samples.anything, job_id="1-above")
    job = q.enqueue(samples.anything, job_id="2-job", depends_on=above, fallback=Fallback(samples.anything, job_id="f"))
    below = q.enqueue(samples.anything, job_id="3-below", depends_on=job)
    hands.claim()
    hands.fail(above.id)
    assert statuses(q.store, [job.id, "f"]) == ["upstream_failed", "skipped"]
    with budget(1):
        q.store.run(changes.requeue(above.id, force=False, at_front=False))
        hands.claim()
        q.store.run(settled(hands, Outcome(hands.held[above.id], "finished")))
        while not (claimed := hands.claim()):
            q.store.run(upkeep.cascade())
        assert claimed == [job.id]
        q.store.run(settled(hands, Outcome(hands.held[job.id], "failed")))
        assert statuses(q.store, [job.id, "f"]) == ["failed", "deferred"]  # it has yet to be told
        q.store.run(changes.delete(["f"], "cancel"))
        carry_on(q)
    assert statuses(q.store, [job.id, "f", below.id]) == ["failed", None, "upstream_failed"]


def test_fallbacks_that_have_run_are_armed_again_all_together(q: Queue, hands: HandWorker):
    last = Fallback(samples.anything, job_id="f2")
    job = q.enqueue(samples.anything, fallback=Fallback(samples.anything, job_id="f1", fallback=last))
    for each in (job.id, "f1"):
        hands.claim()
        hands.fail(each)
    hands.claim()
    hands.finish("f2")
    with budget(1):
        q.store.run(changes.requeue(job.id, force=True, at_front=False))
        check_invariants(q.store.client)
        carry_on(q)
    assert statuses(q.store, [job.id, "f1", "f2"]) == ["queued", "deferred", "deferred"]


# An end that is being taken back releases nobody


def test_a_job_that_is_faster_than_the_word_that_it_lives_again_releases_nobody_too_early(q: Queue, hands: HandWorker):
    root = q.enqueue(samples.anything)
    chain = [root]
    for _ in range(20):
        chain.append(q.enqueue(samples.anything, depends_on=chain[-1]))
    clean_up = q.enqueue(samples.anything, depends_on=[root, Dependency(chain[-1], rule="all_done")])
    hands.claim()
    hands.fail(root.id)
    assert statuses(q.store, [chain[-1].id, clean_up.id]) == ["upstream_failed", "upstream_failed"]
    with budget(3):
        assert q.store.run(changes.requeue(root.id, force=False, at_front=False))
        hands.claim()
        q.store.run(settled(hands, Outcome(hands.held[root.id], "finished")))
        ran = []
        while len(ran) < len(chain):
            q.store.run(upkeep.cascade())
            check_invariants(q.store.client)
            for job_id in hands.claim():
                ran.append(job_id)
                q.store.run(settled(hands, Outcome(hands.held[job_id], "finished")))
    assert ran == [job.id for job in [*chain[1:], clean_up]]


@pytest.mark.parametrize("first", ["the one that waits for both", "the one in between"])
@pytest.mark.parametrize("size", [1, 3, 500])
def test_who_waits_for_two_of_which_one_is_skipped_waits_for_the_other(
    q: Queue, hands: HandWorker, first: str, size: int
):
    root = q.options(hold=True).enqueue(samples.anything)
    between, both = q.options(hold=True).enqueue(samples.anything), q.options(hold=True).enqueue(samples.anything)
    for job in (both, between) if first == "the one that waits for both" else (between, both):
        job.add_dependency(root)
    both.add_dependency(between, rule="all_done")
    q.release_many([root, between, both])
    hands.claim()
    hands.fail(root.id)
    with budget(size):
        root.skip(1)
    assert statuses(q.store, [root.id, between.id, both.id]) == ["finished", "queued", "deferred"]
