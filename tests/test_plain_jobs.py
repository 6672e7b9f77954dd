"""Jobs that have to do with no others: born queued; where they are many, kept behind a gate as they came, then made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
import samples
from by_hand import HandWorker, statuses
from every_status import budget, every_reply_lost, maintain
from redis import Redis
from test_staging import Breaking, stored, time_out

import rqdeps.enqueueing
from rqdeps import Job, NoSuchJobError, Queue
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import DuplicateJobError, GraphGivenUpError
from rqdeps.fallback import Fallback
from rqdeps.store.calls import staging
from rqdeps.store.calls.enqueue import enqueue
from rqdeps.store.invariants import check_invariants
from rqdeps.store.scripts import BUDGET, KEPT_COST, NEW_JOB_COST

#: So many jobs come in a piece here.
PIECE = 4


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a few jobs come in pieces, two of them at once."""
    monkeypatch.setattr(rqdeps.enqueueing, "BUDGET", PIECE * NEW_JOB_COST)
    monkeypatch.setattr(staging, "plan", partial(staging.plan, budget=PIECE * KEPT_COST))
    monkeypatch.setattr(rqdeps.enqueueing, "PIECES_AT_ONCE", 2)


@pytest.fixture
def q(connection: Redis) -> Iterator[Queue]:
    yield Queue(connection=connection)
    check_invariants(connection)


def data(*args: Any, **options: Any) -> EnqueueData:
    return Queue.prepare_data(samples.anything, list(args), **options)


def stage(queue: Queue, datas: Sequence[EnqueueData], pieces: int | None = None) -> staging.Plan:
    """Stages jobs, or the first pieces of them, and does not open the gate."""
    jobs = [each.new_job("default") for each in datas]
    plan = staging.plan(jobs, [job.id for job in jobs], budget=PIECE * KEPT_COST)
    for number, piece in enumerate(plan.pieces[:pieces], 1):
        assert piece.is_plain
        queue.store.run(staging.stage(plan.gate, number, piece, new_queues=[queue.name]))
    return plan


def status_of(queue: Queue, datas: Sequence[EnqueueData]) -> list[str | None]:
    return statuses(queue.store, [each.id for each in datas])


# Which are plain


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"job_id": "mine"},
        {"job_timeout": 5, "retry": 3, "result_ttl": 60, "failure_ttl": 60, "meta": {"a": 1}, "description": "d" * 100},
        {"on_success": samples.anything},
    ],
)
def test_most_jobs_are_plain(options: dict[str, Any]) -> None:
    assert data(**options).new_job("default").is_plain


@pytest.mark.parametrize(
    "options",
    [
        {"depends_on": "other"},
        {"at_front": True},
        {"ttl": 60},
        {"hold": True},
        {"fallback": Fallback(samples.anything)},
    ],
)
def test_what_asks_for_more_than_to_be_queued_is_not_plain(options: dict[str, Any]) -> None:
    assert not data(**options).new_job("default").is_plain


def test_a_member_of_a_group_is_not_plain() -> None:
    assert not data().changed(group="g").new_job("default").is_plain


def test_a_delay_is_not_plain(q: Queue) -> None:
    job = q.enqueue_in(60, samples.anything)
    assert (job.is_scheduled, q.job_ids) == (True, [])


@pytest.mark.parametrize(
    "options",
    [{"job_id": "mine"}, {"depends_on": "other"}, {"at_front": True}],
    ids=lambda options: next(iter(options)),
)
def test_one_job_that_is_not_plain_has_all_of_them_staged_one_by_one(options: dict[str, Any]) -> None:
    jobs = [each.new_job("default") for each in (data(), data(**options), data())]
    plan = staging.plan(jobs, [job.id for job in jobs])
    assert not any(piece.is_plain for piece in plan.pieces)


@pytest.mark.parametrize(
    "of_size",
    [
        lambda size: data("x" * size),
        lambda size: data("é" * (size // 2)),
        lambda size: data(meta={"key": "x" * size}),
        lambda size: data("x" * (size // 2), description="x" * (size // 2)),
    ],
    ids=["arguments", "not ASCII", "meta", "together"],
)
def test_large_values_are_not_copied_once_more(of_size: Callable[[int], EnqueueData]) -> None:
    small, large = (of_size(size).new_job("default") for size in (staging.SMALL // 2, staging.SMALL))
    assert [staging.plan([job], [job.id]).pieces[0].is_plain for job in (small, large)] == [True, False]


# A few


def test_they_are_what_they_were_given_as(q: Queue) -> None:
    long = "x" * 100
    job = q.options(retry=2, meta={"key": long}, job_timeout=7, description="@").enqueue(samples.anything, long, n=1)
    again = Job.fetch(job.id, connection=q.connection)
    assert (again.args, again.kwargs, again.meta) == ((long,), {"n": 1}, {"key": long})
    assert (again.timeout, again.retries_left, again.description, again.origin) == (7, 2, "@", "default")
    assert again.created_at == again.enqueued_at
    assert q.job_ids == [job.id]


def test_a_second_sending_leaves_them_as_they_are(q: Queue, hands: HandWorker) -> None:
    with every_reply_lost():
        first = q.enqueue(samples.anything)
        q.options(job_id="mine").enqueue(samples.anything)
    assert q.job_ids == [first.id, "mine"]
    datas = [data(), data(job_id="own")]
    for _ in range(2):
        q.enqueue_many(datas)
    assert q.job_ids == [first.id, "mine", datas[0].id, "own"]
    assert hands.claim() == [first.id, "mine", datas[0].id, "own"]
    hands.finish(datas[0].id)
    q.enqueue_many(datas)
    assert status_of(q, datas) == ["finished", "started"]


def test_an_id_of_another_job_refuses_all_of_them(q: Queue, connection: Redis) -> None:
    q.options(job_id="mine").enqueue(samples.anything)
    before = stored(connection)
    with pytest.raises(DuplicateJobError, match="'mine'"):
        Queue("other", connection=connection).enqueue_many([data(), data(job_id="mine"), data()])
    assert stored(connection) == before


def commands_of(connection: Redis, call: Callable[[], object]) -> int:
    connection.config_resetstat()
    call()
    stats = cast(dict[str, dict[str, int]], connection.info("commandstats"))
    return sum(stat["calls"] for name, stat in stats.items() if name != "cmdstat_config|resetstat")


def test_they_cost_five_commands_alone_and_little_more_than_one_each_together(
    valkey: Redis,
) -> None:
    queue = Queue(connection=valkey)
    queue.enqueue(samples.anything)  # the server knows the script from now on

    def at_once(count: int) -> int:
        jobs = [replace(data(), nonce="").new_job("default") for _ in range(count)]
        return commands_of(valkey, lambda: queue.store.run(enqueue(jobs, new_queues=())))

    assert at_once(1) == 5  # EVALSHA, TIME, HSET, RPUSH, ZADD
    assert at_once(100) == 104


# Many


def test_many_are_queued_in_their_order_each_in_its_queue(real_connection: Redis) -> None:
    queue, other = Queue(connection=real_connection), Queue("other", connection=real_connection)
    datas = [data("x" * (100 * (place % 3)), queue="other" if place % 5 == 0 else None) for place in range(BUDGET + 7)]
    queue.enqueue_many(datas)
    assert queue.job_ids == [each.id for place, each in enumerate(datas) if place % 5]
    assert other.job_ids == [each.id for place, each in enumerate(datas) if not place % 5]
    assert Job.fetch(datas[1].id, connection=real_connection).args == ("x" * 100,)
    assert not list(real_connection.scan_iter("*gate*")) + list(real_connection.scan_iter("*plain*"))
    check_invariants(real_connection)


@pytest.mark.usefixtures("small_pieces")
def test_nothing_of_them_is_there_before_the_gate_opens(q: Queue, connection: Redis, hands: HandWorker) -> None:
    outside = q.enqueue(samples.anything)
    datas = [data() for _ in range(3 * PIECE)]
    plan = stage(q, datas)
    assert Job.fetch_many([each.id for each in datas], connection=connection) == [None] * len(datas)
    assert not list(connection.scan_iter(f"*{datas[0].id}*"))
    assert hands.claim() == [outside.id]
    with pytest.raises(NoSuchJobError):
        q.enqueue(samples.anything, depends_on=datas[0].id)
    q.store.run(staging.open_gate(plan, len(plan.pieces)))
    maintain(q.store)
    assert hands.claim() == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 2, None])
def test_what_a_dead_client_leaves_is_discarded_after_a_while(q: Queue, connection: Redis, pieces: int | None) -> None:
    q.enqueue(samples.anything)
    before = stored(connection)
    datas = [data("long " * 30) for _ in range(3 * PIECE)]
    plan = stage(q, datas, pieces)
    maintain(q.store)
    assert connection.exists("{rqdeps}:gates")
    time_out(connection)
    maintain(q.store)
    assert stored(connection) == before
    with pytest.raises(GraphGivenUpError):
        q.store.run(staging.open_gate(plan, len(plan.pieces)))
    q.enqueue_many(datas)
    assert status_of(q, datas) == ["queued"] * len(datas)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 2, None])
def test_enqueued_again_they_go_on_with_what_was_begun(q: Queue, pieces: int | None) -> None:
    datas = [data() for _ in range(3 * PIECE - 1)]
    stage(q, datas, pieces)
    for _ in range(2):
        q.enqueue_many(datas)
        assert q.job_ids == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
def test_what_an_earlier_call_has_saved_is_not_made_anew(q: Queue, hands: HandWorker) -> None:
    """Not even if it has ended, and is deleted while the others are on their way."""
    datas = [data() for _ in range(2 * PIECE)]
    q.enqueue_many(datas[1:3])
    assert hands.claim() == [datas[1].id, datas[2].id]
    for each in datas[1:3]:
        hands.finish(each.id)
    plan = stage(q, datas)
    Job(datas[2].id, q.store).delete()
    q.store.run(staging.open_gate(plan, len(plan.pieces)))
    maintain(q.store)
    assert status_of(q, datas) == ["queued", "finished", None, *["queued"] * (2 * PIECE - 3)]


@pytest.mark.usefixtures("small_pieces")
def test_every_piece_may_arrive_twice(q: Queue) -> None:
    datas = [data() for _ in range(3 * PIECE)]
    with every_reply_lost():
        q.enqueue_many(datas)
    assert q.job_ids == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("arrives", [False, True], ids=["never arrives", "reply lost"])
def test_a_connection_may_break_at_every_piece(valkey: Redis, arrives: bool) -> None:
    for at in range(1, 100):
        queue = Queue(f"q{at}", connection=valkey)
        datas = [data() for _ in range(5 * PIECE)]
        breaking = Breaking(partial(int.__eq__, at), arrives=arrives)
        with breaking.in_place(), budget(6):
            queue.enqueue_many(datas)
        maintain(queue.store)
        assert queue.job_ids == [each.id for each in datas], at
        if breaking.sendings < at:
            break
    assert at > 5


@pytest.mark.usefixtures("small_pieces")
def test_a_gate_may_be_opened_again_while_it_lets_them_through(q: Queue, connection: Redis) -> None:
    datas = [data() for _ in range(3 * PIECE)]
    plan = stage(q, datas)
    with budget(2 * KEPT_COST):
        assert q.store.run(staging.open_gate(plan, len(plan.pieces))) == 1
        check_invariants(connection)
        assert q.job_ids == [each.id for each in datas[:2]]
        assert q.store.run(staging.open_gate(plan, len(plan.pieces))) == 1
        q.enqueue_many(datas)
    assert q.job_ids == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
def test_none_of_them_may_have_gone_through_when_the_gate_is_opened_again(q: Queue, connection: Redis) -> None:
    """The call that opens it may have no budget left for that."""
    datas = [data() for _ in range(3 * PIECE)]
    plan = stage(q, datas)
    connection.zrem("{rqdeps}:gates", plan.gate)
    connection.zadd("{rqdeps}:cascades", {f"gate:{plan.gate}": 0})  # as an open gate stands there
    assert q.store.run(staging.open_gate(plan, len(plan.pieces))) == 1
    maintain(q.store)
    assert q.job_ids == [each.id for each in datas]


# The same data in other ways


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 2, None])
def test_what_was_begun_as_they_came_is_not_gone_on_with_as_members_of_a_group(q: Queue, pieces: int | None) -> None:
    """Members of a group are saved one by one: behind the same gate, they would be left there."""
    datas = [data() for _ in range(3 * PIECE)]
    stage(q, datas, pieces)
    q.enqueue_many([each.changed(group="g") for each in datas])
    assert q.job_ids == [each.id for each in datas]
    time_out(q.connection)
    maintain(q.store)
    assert q.job_ids == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 2])
def test_what_was_begun_as_members_of_a_group_is_given_up_first(q: Queue, pieces: int) -> None:
    datas = [data() for _ in range(3 * PIECE)]
    jobs = [each.changed(group="g").new_job("default") for each in datas]
    plan = staging.plan(jobs, [job.id for job in jobs], budget=PIECE * KEPT_COST)
    for number, piece in enumerate(plan.pieces[:pieces], 1):
        q.store.run(staging.stage(plan.gate, number, piece, new_queues=[q.name]))
    with pytest.raises(DuplicateJobError):
        q.enqueue_many(datas)
    time_out(q.connection)
    maintain(q.store)
    q.enqueue_many(datas)
    assert q.job_ids == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 2, None])
def test_what_was_begun_in_another_queue_is_not_gone_on_with(q: Queue, pieces: int | None) -> None:
    datas = [data() for _ in range(3 * PIECE)]
    stage(q, datas, pieces)
    other = Queue("other", connection=q.connection)
    other.enqueue_many(datas)
    assert (q.job_ids, other.job_ids) == ([], [each.id for each in datas])


@pytest.mark.usefixtures("small_pieces")
def test_one_that_another_graph_has_saved_and_never_completes_is_not_lost(q: Queue, connection: Redis) -> None:
    datas = [data() for _ in range(2 * PIECE)]
    plan = stage(q, datas)
    jobs = [each.new_job("default") for each in (datas[0], *(data(at_front=True) for _ in range(PIECE)))]
    others = staging.plan(jobs, [job.id for job in jobs], budget=PIECE * KEPT_COST)
    q.store.run(staging.stage(others.gate, 1, others.pieces[0], new_queues=()))
    q.store.run(staging.open_gate(plan, len(plan.pieces)))
    check_invariants(connection)
    time_out(connection)
    maintain(q.store)
    assert sorted(q.job_ids) == [each.id for each in datas]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("options", [{}, {"at_front": True}], ids=["plain", "not plain"])
def test_one_that_another_graph_has_saved_behind_its_gate_is_refused_alone(q: Queue, options: dict[str, Any]) -> None:
    """That graph may never be completed; the job would be lost that this call has said it has enqueued."""
    datas = [data(**options), *(data(at_front=True) for _ in range(PIECE))]
    jobs = [each.new_job("default") for each in datas]
    plan = staging.plan(jobs, [job.id for job in jobs], budget=PIECE * KEPT_COST)
    q.store.run(staging.stage(plan.gate, 1, plan.pieces[0], new_queues=[q.name]))
    with pytest.raises(DuplicateJobError):
        q.enqueue_many(datas[:1])
    time_out(q.connection)
    maintain(q.store)
    q.enqueue_many(datas[:1])
    assert q.job_ids == [datas[0].id]


def test_a_list_without_a_whole_job_does_not_hold_the_server(connection: Redis) -> None:
    """No call leaves one; but a script that goes on for ever could only be ended with its server."""
    queue = Queue(connection=connection)
    plan = stage(queue, [data() for _ in range(2)])
    connection.rpop(f"{{rqdeps}}:plain:{plan.gate}", 9)
    assert queue.store.run(staging.open_gate(plan, len(plan.pieces))) == 1
    connection.flushall()
