"""Graphs that exceed one call: staged in pieces, seen by nobody until all have come, and then all there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from unittest import mock

import pytest
import samples
from by_hand import HandWorker, statuses
from every_status import budget, claim_until, every_reply_lost, maintain
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

import rqdeps.enqueueing
import rqdeps.store.store
from rqdeps import Dependency, Job, NoSuchJobError, Queue
from rqdeps.dependency import RULES
from rqdeps.enqueue_data import EnqueueData
from rqdeps.enqueueing import STAGINGS
from rqdeps.errors import (
    ConnectionUnavailableError,
    DependencyCycleError,
    DuplicateJobError,
    GraphGivenUpError,
)
from rqdeps.fallback import Fallback
from rqdeps.ordering import order_of
from rqdeps.store.calls import changes, staging
from rqdeps.store.calls.changes import Policy
from rqdeps.store.scripts import BUDGET
from rqdeps.store.store import SENDINGS

#: What a piece of a graph costs here: two jobs, with a dependency or two.
PIECE = 8


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of more than a few jobs come in pieces, two of them at once."""
    monkeypatch.setattr(rqdeps.enqueueing, "BUDGET", PIECE)
    monkeypatch.setattr(staging, "plan", partial(staging.plan, budget=PIECE))
    monkeypatch.setattr(rqdeps.enqueueing, "PIECES_AT_ONCE", 2)


def data(*args: Any, **options: Any) -> EnqueueData:
    return Queue.prepare_data(samples.anything, list(args), **options)


def chain(length: int, **options: Any) -> list[EnqueueData]:
    datas = [data(**options)]
    for _ in range(length - 1):
        datas.append(data(depends_on=datas[-1], **options))
    return datas


def plan_of(datas: Sequence[EnqueueData], queue: str = "default") -> staging.Plan:
    jobs = [each.new_job(queue) for one in datas for each in one.with_fallbacks()]
    return staging.plan(jobs, order_of(jobs), budget=PIECE)


def stage(queue: Queue, datas: Sequence[EnqueueData], pieces: int | None = None) -> staging.Plan:
    """Stages a graph, or the first pieces of it, and does not open the gate."""
    plan = plan_of(datas)
    for number, piece in enumerate(plan.pieces[:pieces], 1):
        queue.store.run(staging.stage(plan.gate, number, piece, new_queues=[queue.name]))
    return plan


def open_gate(queue: Queue, plan: staging.Plan) -> None:
    queue.store.run(staging.open_gate(plan, len(plan.pieces)))
    maintain(queue.store)


def time_out(connection: Redis) -> None:
    """Nothing has come for longer than a graph may take."""
    for gate in connection.zrange("{rqdeps}:gates", 0, -1):
        connection.zadd("{rqdeps}:gates", {cast(bytes, gate): 1})


def stored(connection: Redis) -> dict[bytes, Any]:
    """All that is stored, but for what passing time and numbering leave behind."""
    found: dict[bytes, Any] = {}
    for key in connection.scan_iter():
        kind = connection.type(key)
        if key in (b"{rqdeps}:beat", b"{rqdeps}:queues", b"{rqdeps}:schema"):
            continue
        if kind == b"hash":
            found[key] = {name: value for name, value in connection.hgetall(key).items() if name != b"linked"}
        elif kind == b"zset":
            found[key] = connection.zrange(key, 0, -1)
        else:
            found[key] = connection.lrange(key, 0, -1) if kind == b"list" else connection.get(key)
    return found


def status_of(queue: Queue, datas: Sequence[EnqueueData]) -> list[str | None]:
    return statuses(queue.store, [each.id for each in datas])


# Graphs of any size


def test_a_graph_beyond_the_budget_is_enqueued_whole_and_runs_to_its_end(real_connection: Redis) -> None:
    queue = Queue(connection=real_connection)  # fakeredis would take seconds
    size = BUDGET
    first = data()
    middle = [data(first.output, number) for number in range(size)]
    last = data([each.output for each in middle], depends_on=Dependency(first, rule="all_done"))
    jobs = queue.enqueue_many([last, *middle, first])
    assert [job.id for job in jobs] == [last.id, *(each.id for each in middle), first.id]
    assert status_of(queue, [last, *middle, first]) == ["deferred"] * (size + 1) + ["queued"]
    hands = HandWorker(queue.store)
    assert hands.claim() == [first.id]
    assert hands.finish(first.id)[:3] == [each.id for each in middle[:3]]
    assert queue.job_ids == [each.id for each in middle]
    done = 0
    while done < size:
        for job_id in hands.claim():
            hands.finish(job_id, b"j1")
            done += 1
    assert hands.claim() == [last.id]
    hands.finish(last.id)
    assert len(jobs[0].dependency_ids) == size + 1


def test_a_job_may_have_more_dependencies_than_the_budget(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    above = queue.enqueue_many([data() for _ in range(2 * BUDGET + 7)])
    job = queue.enqueue(samples.anything, [each.output for each in above[::2]], depends_on=above[1::2])
    assert job.is_deferred
    assert sorted(job.dependency_ids) == sorted(each.id for each in above)
    assert sum(each.wants_output for each in job.dependencies()) == len(above[::2])
    hands = HandWorker(queue.store)
    released: list[str] = []
    while not released:
        for job_id in hands.claim():
            released += hands.finish(job_id, b"j1")
    assert released == [job.id]
    counts = {status.value: count for status, count in queue.counts.items() if count}
    assert counts == {"finished": len(above), "queued": 1}


@pytest.mark.usefixtures("small_pieces")
def test_a_job_with_many_groups_comes_in_pieces(q: Queue, hands: HandWorker) -> None:
    above = q.enqueue_many([data() for _ in range(40)])
    groups = [Dependency(above[n : n + 10], rule=RULES[n // 10]) for n in range(0, 30, 10)]
    job = q.enqueue(samples.anything, [each.output_or(None) for each in above[30:]], depends_on=groups)
    found = job.dependencies()
    assert [(each.group, each.rule) for each in found] == [
        (n // 10, "all_done" if n >= 30 else RULES[n // 10]) for n in range(40)
    ]
    assert {each.id for each in found if each.group == 2} == {each.id for each in above[20:30]}
    assert [each.wants_output for each in found] == [False] * 30 + [True] * 10


@pytest.mark.usefixtures("small_pieces")
def test_the_first_piece_is_there_before_the_last_is_cut() -> None:
    jobs = [each.new_job("default") for each in chain(12)]
    cut: list[str] = []

    class Watched(list[str]):
        def __iter__(self) -> Iterator[str]:
            for job_id in super().__iter__():
                cut.append(job_id)
                yield job_id

    pieces = staging.plan(jobs, Watched(order_of(jobs)), budget=PIECE).cut()
    first = next(pieces)
    assert 0 < len(first.jobs) <= len(cut) < len(jobs) / 2
    assert [job.id for piece in (first, *pieces) for job in piece.jobs] == cut == [job.id for job in jobs]


def test_the_order_is_kept(q: Queue, hands: HandWorker) -> None:
    before = q.enqueue(samples.anything)
    datas = [data(at_front=number % 3 == 0) for number in range(20)]
    q.enqueue_many(datas)
    front = [each.id for each in datas if each.options.at_front]
    others = [each.id for each in datas if not each.options.at_front]
    assert q.job_ids == [*front, before.id, *others]
    assert hands.claim() == [*front, before.id, *others]


@pytest.mark.usefixtures("small_pieces")
def test_jobs_given_before_what_they_depend_on_keep_their_place(q: Queue) -> None:
    datas = [data() for _ in range(12)]
    late = [data(depends_on=[datas[9], datas[11]]) for _ in range(12)]
    q.enqueue_many([*late, *datas])
    assert q.job_ids == [each.id for each in datas]
    q.fetch_job(datas[9].id).skip()  # type: ignore[union-attr]
    q.fetch_job(datas[11].id).skip()  # type: ignore[union-attr]
    assert q.job_ids[-12:] == [each.id for each in late]


def test_a_graph_in_pieces_is_the_graph_in_one(valkey: Redis) -> None:
    """Random graphs, enqueued in one call and in pieces, and compared."""
    for seed in range(20):
        chance = random.Random(seed)
        wishes = [
            (
                [place for place in range(number) if chance.random() < 0.2],
                chance.choice(RULES),
                chance.random() < 0.2,
                chance.random() < 0.2,
            )
            for number in range(25)
        ]
        found = []
        for in_pieces in (False, True):
            valkey.flushall()
            queue = Queue(connection=valkey)
            queue.store.open()
            ended = queue.enqueue(samples.anything, job_id="ended")
            ended.cancel()
            datas: list[EnqueueData] = []
            for number, (above, rule, at_front, depends_on_ended) in enumerate(wishes):
                groups = [Dependency([datas[place] for place in above], rule=rule)] if above else []
                groups += [Dependency("ended", rule="all_done")] if depends_on_ended else []
                datas.append(data(job_id=f"job-{number}", depends_on=groups, at_front=at_front))
            shuffled = random.Random(seed).sample(datas, len(datas))
            if in_pieces:
                open_gate(queue, stage(queue, shuffled))
            else:
                queue.enqueue_many(shuffled)
            edges = [Job(each.id, queue.store).dependencies() for each in datas]
            found.append((status_of(queue, datas), queue.job_ids, edges))
        assert found[0] == found[1], seed


# Nothing is seen before the gate opens


def test_what_is_staged_is_seen_by_nobody(q: Queue, hands: HandWorker, connection: Redis) -> None:
    outside = q.enqueue(samples.anything)
    datas = chain(9, meta={"k": 1})
    datas.append(data(depends_on=outside))
    plan = stage(q, datas)
    assert len(plan.pieces) > 2
    ids = [each.id for each in datas]
    assert Job.fetch_many(ids, connection=connection) == [None] * len(ids)
    assert not Job.exists(ids[0], connection=connection)
    assert sum(q.counts.values()) == 1
    assert [q.get_job_ids(status=status) for status in ("created", "deferred", "queued")] == [[], [], [outside.id]]
    assert hands.claim() == [outside.id]
    hands.finish(outside.id)
    assert hands.claim() == []
    maintain(q.store)
    staged = Job[Any](ids[0], q.store)
    attempts: list[Callable[[], object]] = [
        lambda: q.enqueue(samples.anything, depends_on=staged),
        lambda: q.enqueue(samples.anything, staged.output),
        lambda: q.enqueue_many([data(depends_on=each) for each in ids] + chain(10)),
        lambda: Job.fetch(ids[0], connection=connection),
        staged.cancel,
        staged.delete,
        staged.requeue,
        staged.skip,
        staged.release,
        staged.refresh,
        staged.explain,
        staged.wait,
        lambda: staged.result,
        lambda: staged.add_dependency(outside),
        lambda: q.enqueue(samples.anything).add_dependency(staged),
        lambda: q.enqueue_job(staged),
    ]
    for place, attempt in enumerate(attempts):
        with pytest.raises(NoSuchJobError):
            pytest.fail(f"{place}: {attempt()}")
    for job_id in q.job_ids:
        Job(job_id, q.store).delete()
    open_gate(q, plan)
    assert status_of(q, datas) == ["queued"] + ["deferred"] * 8 + ["queued"]
    assert hands.claim() == [ids[0], ids[-1]]


def test_what_is_staged_is_no_dependent_yet(q: Queue) -> None:
    outside = q.enqueue(samples.anything)
    datas = [data(depends_on=outside), *chain(9)]
    plan = stage(q, datas)
    assert outside.dependent_ids == []
    open_gate(q, plan)
    assert outside.dependent_ids == [datas[0].id]


@pytest.mark.usefixtures("small_pieces")
def test_an_id_that_is_staged_is_taken(q: Queue) -> None:
    datas = [data(job_id="mine"), *chain(9)]
    plan = stage(q, datas)
    with pytest.raises(DuplicateJobError, match="'mine'"):
        q.enqueue(samples.anything, job_id="mine")
    with pytest.raises(DuplicateJobError, match="'mine'"):
        q.enqueue_many([*chain(9), data(job_id="mine")])
    open_gate(q, plan)
    assert status_of(q, datas) == ["queued", "queued", *["deferred"] * 8]


# Graphs that can't be


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("wrong", ["unknown", "unknown of many", "taken", "circle", "twice"])
def test_a_fault_in_a_late_piece_leaves_nothing_behind(q: Queue, connection: Redis, wrong: str) -> None:
    outside = q.enqueue(samples.anything, job_id="taken")
    before = stored(connection)
    datas = [data(depends_on=outside, meta={"long": "x" * 100}), *chain(30)]
    last, error, match = {
        "unknown": (data(depends_on="nobody"), NoSuchJobError, "'nobody'"),
        "unknown of many": (data(depends_on=[*datas, "nobody"]), NoSuchJobError, "'nobody'"),
        "taken": (data(job_id="taken"), DuplicateJobError, "'taken'"),
        "circle": (data(job_id="self", depends_on="self"), DependencyCycleError, "'self' → 'self'"),
        "twice": (data(job_id=datas[3].id), ValueError, f"two jobs of one call have the id '{datas[3].id}'"),
    }[wrong]
    with pytest.raises(error, match=match):
        q.enqueue_many([*datas, last])
    assert stored(connection) == before
    assert q.enqueue_many(datas)[0].is_deferred


def test_the_pieces_of_a_refused_graph_go_even_if_there_are_more_than_a_call_deletes(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    outside = queue.enqueue(samples.anything)
    before = stored(valkey)
    datas = [data(depends_on=outside) for _ in range(3 * BUDGET)]
    with pytest.raises(NoSuchJobError):
        queue.enqueue_many([*datas, data(depends_on=[*datas, "nobody"])])
    assert stored(valkey) == before


# Clients that die, and connections that break


@pytest.mark.parametrize("pieces", [1, 2, 4, None])
def test_what_a_dead_client_leaves_is_discarded_after_a_while(q: Queue, connection: Redis, pieces: int | None) -> None:
    outside = q.enqueue(samples.anything)
    before = stored(connection)
    datas = [data("long " * 30, depends_on=outside), *chain(9, meta={"k": "x" * 100}), data(fallback=samples.anything)]
    plan = stage(q, datas, pieces)
    maintain(q.store)
    assert connection.exists("{rqdeps}:gates")
    time_out(connection)
    maintain(q.store)
    assert stored(connection) == before
    if pieces is None:
        with pytest.raises(GraphGivenUpError):
            q.store.run(staging.open_gate(plan, len(plan.pieces)))
    q.enqueue_many(datas)
    assert status_of(q, datas) == ["deferred", "queued", *["deferred"] * 8, "queued"]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 2, 4, None])
def test_the_same_graph_enqueued_again_goes_on_with_what_was_begun(q: Queue, pieces: int | None) -> None:
    datas = [*chain(9), data(fallback=samples.anything), data(job_id="mine")]
    stage(q, datas, pieces)
    for _ in range(2):
        q.enqueue_many(datas)
        assert status_of(q, datas) == ["queued", *["deferred"] * 8, "queued", "queued"]
        assert q.job_ids == [datas[0].id, datas[9].id, "mine"]


@pytest.mark.usefixtures("small_pieces")
def test_a_graph_enqueued_again_after_it_has_run_is_left_as_it_is(q: Queue, hands: HandWorker) -> None:
    datas = chain(9)
    q.enqueue_many(datas)
    for each in datas[:4]:
        assert hands.claim() == [each.id]
        hands.finish(each.id)
    q.enqueue_many(datas)
    assert status_of(q, datas) == ["finished"] * 4 + ["queued"] + ["deferred"] * 4


@pytest.mark.usefixtures("small_pieces")
def test_every_piece_may_arrive_twice(q: Queue) -> None:
    q.store.open()
    outside = q.enqueue(samples.anything)
    datas = [*chain(12), data(fallback=samples.anything)]
    datas.append(data([each.output for each in datas], depends_on=outside))
    with every_reply_lost():
        q.enqueue_many(datas)
    maintain(q.store)
    assert status_of(q, datas) == ["queued", *["deferred"] * 11, "queued", "deferred"]
    assert q.job_ids == [outside.id, datas[0].id, datas[12].id]
    assert len(Job(datas[-1].id, q.store).dependency_ids) == 14


class Breaking:
    """A connection that breaks at some of the sendings, before or after they arrive."""

    def __init__(self, breaks: Callable[[int], bool], *, arrives: bool) -> None:
        self.sendings = 0
        self.breaks = breaks
        self.arrives = arrives

    @contextmanager
    def in_place(self) -> Iterator[None]:
        evaluate = rqdeps.store.store.evaluate

        def broken(*args: Any) -> Any:
            self.sendings += 1
            if not self.breaks(self.sendings):
                return evaluate(*args)
            if self.arrives:
                evaluate(*args)
            raise RedisConnectionError("broken")

        with (
            mock.patch.object(rqdeps.store.store, "evaluate", broken),
            mock.patch.object(rqdeps.store.store, "LONGEST_PAUSE", 0),
        ):
            yield


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("arrives", [False, True], ids=["never arrives", "reply lost"])
def test_a_connection_may_break_at_every_piece(valkey: Redis, arrives: bool) -> None:
    queue = Queue(connection=valkey)
    for at in range(1, 100):
        datas = [*chain(12), data(fallback=samples.anything)]
        datas.append(data([each.output for each in datas]))
        breaking = Breaking(partial(int.__eq__, at), arrives=arrives)
        with breaking.in_place():
            queue.enqueue_many(datas)
        maintain(queue.store)
        assert status_of(queue, datas) == ["queued", *["deferred"] * 11, "queued", "deferred"], at
        if breaking.sendings < at:
            break
    assert at > 5


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("arrives", [False, True], ids=["never arrives", "reply lost"])
def test_a_server_may_go_away_at_every_piece(valkey: Redis, arrives: bool) -> None:
    """The client gives up then; enqueueing the same again makes each job once."""
    for at in range(1, 100):
        valkey.flushall()
        queue = Queue(connection=valkey)
        queue.store.open()
        datas = [*chain(12), data(job_id="mine", fallback=Fallback(samples.report, 1, job_id="spare"))]
        datas.append(data([each.output for each in datas]))
        breaking = Breaking(partial(int.__le__, at), arrives=arrives)
        with breaking.in_place():
            try:
                queue.enqueue_many(datas)
            except ConnectionUnavailableError:
                assert breaking.sendings >= SENDINGS
            else:
                break
        found = status_of(queue, datas)
        assert len(set(found) - {None}) == 0 or None not in found, f"half of it is there, at {at}"
        queue.enqueue_many(datas)
        maintain(queue.store)
        assert status_of(queue, datas) == ["queued", *["deferred"] * 11, "queued", "deferred"], at
        assert queue.job_ids == [datas[0].id, "mine"]
    assert at > 5


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("times", [1, STAGINGS - 1, STAGINGS])
def test_a_client_that_was_held_up_stages_its_graph_anew(q: Queue, connection: Redis, times: int) -> None:
    outside = q.enqueue(samples.anything)
    datas = [*chain(12), data(depends_on=outside)]
    run_all = q.store.run_all
    held_up = 0

    def slow(calls: Any) -> Any:
        nonlocal held_up
        replies = run_all(calls)
        if held_up < times:
            held_up += 1
            time_out(connection)
            maintain(q.store)
        return replies

    before = stored(connection)
    with mock.patch.object(q.store, "run_all", slow):
        if times < STAGINGS:
            q.enqueue_many(datas)
        else:
            with pytest.raises(GraphGivenUpError, match="more than a minute passed between two pieces"):
                q.enqueue_many(datas)
            assert stored(connection) == before
            q.enqueue_many(datas)
    assert held_up == times
    assert status_of(q, datas) == ["queued", *["deferred"] * 12]


def test_two_clients_may_stage_the_same_graph_at_once(q: Queue) -> None:
    datas = chain(12)
    plan = plan_of(datas)
    for number, piece in enumerate(plan.pieces, 1):
        for _ in range(2):
            q.store.run(staging.stage(plan.gate, number, piece, new_queues=["default"]))
    for _ in range(2):
        open_gate(q, plan)
    assert status_of(q, datas) == ["queued", *["deferred"] * 11]


# What may be in a graph


@pytest.mark.usefixtures("small_pieces")
def test_delays_ttls_holds_and_fallbacks_are_kept(q: Queue, hands: HandWorker, connection: Redis) -> None:
    elsewhere = Job.create(samples.anything, connection=connection, queue="elsewhere", ttl=60)
    timed = data("timed", ttl=60, job_id="timed")
    held = data(hold=True)
    after_held = data(held.output)
    risky = data(7, fallback=samples.anything)
    after_risky = data(risky.output)
    retried = data(retry=2, description="long " * 30, meta={"k": 1})
    datas = [*chain(9), timed, held, after_held, risky, after_risky, retried]
    q.enqueue_many([*datas, elsewhere])
    found = dict(zip([each.id for each in datas], status_of(q, datas), strict=True))
    assert [found[each.id] for each in (timed, held, after_held, risky, after_risky, retried)] == [
        "queued", "created", "deferred", "queued", "deferred", "queued",
    ]  # fmt: skip
    assert sorted(connection.zrange("{rqdeps}:timers", 0, -1)) == sorted([b"timed", elsewhere.id.encode()])
    job = Job[Any](retried.id, q.store)
    assert (job.retries_left, job.description, job.meta) == (2, "long " * 30, {"k": 1})
    assert (job.args, Job[Any]("timed", q.store).args) == ((), ("timed",))
    assert Job(elsewhere.id, q.store).origin == "elsewhere"
    Job(held.id, q.store).release()
    claim_until(hands, held.id)
    assert hands.finish(held.id) == [after_held.id]
    claim_until(hands, risky.id)
    hands.fail(risky.id)
    fallback_id = Job(risky.id, q.store).fallback_id
    assert fallback_id is not None
    claim_until(hands, fallback_id)
    assert hands.finish(fallback_id) == [after_risky.id]


@pytest.mark.usefixtures("small_pieces")
def test_a_delay_counts_from_when_the_job_was_sent(q: Queue) -> None:
    dependencies = q.enqueue_many([data() for _ in range(3 * PIECE)])
    job = q.enqueue_in(3600, samples.anything, args=[], depends_on=dependencies[:0])
    late = q.enqueue_in(3600, samples.anything, args=[], depends_on=dependencies)
    assert (job.is_scheduled, late.is_deferred) == (True, True)
    for dependency in dependencies:
        dependency.skip()
    assert late.is_scheduled
    assert late.scheduled_for is not None
    assert late.created_at is not None
    assert 3599 < (late.scheduled_for - late.created_at).total_seconds() <= 3600


# What happens outside, while a graph is staged


OUTSIDE: dict[str, Callable[[Job[Any], HandWorker], object]] = {
    "finish": lambda job, hands: hands.finish(job.id, b"j1"),
    "fail": lambda job, hands: hands.fail(job.id),
    "cancel": lambda job, hands: hands.store.run(changes.cancel([job.id])),
    "skip": lambda job, hands: job.skip(),
    "nothing": lambda job, hands: None,
}


@pytest.mark.parametrize("change", OUTSIDE)
def test_what_ends_outside_is_known_when_the_gate_opens(q: Queue, hands: HandWorker, change: str) -> None:
    outside = q.enqueue(samples.anything)
    datas = [data(depends_on=Dependency(outside, rule=rule)) for rule in ("all_success", "all_failed", "all_done")]
    datas += chain(9)
    plan = stage(q, datas)
    if change != "cancel":
        claim_until(hands, outside.id)
    OUTSIDE[change](outside, hands)
    maintain(q.store)
    assert set(status_of(q, datas)) == {None}
    open_gate(q, plan)
    assert (
        status_of(q, datas[:3])
        == {
            "finish": ["queued", "skipped", "queued"],
            "skip": ["queued", "skipped", "queued"],
            "fail": ["upstream_failed", "queued", "queued"],
            "cancel": ["upstream_failed", "queued", "queued"],
            "nothing": ["deferred", "deferred", "deferred"],
        }[change]
    )


@pytest.mark.parametrize("policy", ["cancel", "release", "delete"])
@pytest.mark.parametrize("had_ended", [True, False], ids=["ended", "open"])
def test_what_is_deleted_outside_leaves_what_is_staged_whole(
    q: Queue, hands: HandWorker, policy: Policy, had_ended: bool
) -> None:
    outside = q.enqueue(samples.anything)
    datas = [data(depends_on=outside), data(depends_on=Dependency(outside, rule="all_done")), *chain(9)]
    plan = stage(q, datas)
    if had_ended:
        outside.skip()
    outside.delete(dependents=policy)
    open_gate(q, plan)
    found = status_of(q, datas)
    assert found[2:] == ["queued", *["deferred"] * 8]
    assert found[:2] == (["queued", "queued"] if had_ended or policy == "release" else ["upstream_failed", "queued"])


def test_what_is_deleted_before_a_late_piece_refuses_the_graph(q: Queue, connection: Redis) -> None:
    outside = q.enqueue(samples.anything)
    datas = chain(9)
    datas.append(data(depends_on=[outside, datas[-1]]))
    before = {key for key in stored(connection) if outside.id.encode() not in key}
    stage(q, datas, pieces=2)
    outside.delete()
    with pytest.raises(NoSuchJobError, match=outside.id):
        stage(q, datas)
    while q.store.run(staging.give_up(plan_of(datas).gate)):
        pass
    assert {key for key in stored(connection) if b"canceled" not in key} <= before


# A gate that opens slowly


def test_a_gate_lets_its_jobs_through_step_by_step(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    datas = [data() for _ in range(12)]
    datas[7] = data(hold=True)
    datas.append(data(depends_on=datas[:12]))
    plan = stage(queue, datas)
    with budget(4):
        assert queue.store.run(staging.open_gate(plan, len(plan.pieces)))
        first = status_of(queue, datas)
        assert "created" in first
        assert "queued" in first
        # From here on all of it is there.
        outside = queue.enqueue(samples.anything, depends_on=datas[11])
        Job(datas[9].id, queue.store).cancel()
        Job(datas[10].id, queue.store).delete(dependents="release")
        Job(datas[8].id, queue.store).skip()
        maintain(queue.store)
    assert status_of(queue, datas) == [
        *["queued"] * 7, "created", "finished", "canceled", None, "queued", "upstream_failed",
    ]  # fmt: skip
    assert outside.is_deferred
    assert hands.claim() == [each.id for each in datas if status_of(queue, [each]) == ["started"]]
    assert not valkey.exists("{rqdeps}:cascades")


@pytest.mark.usefixtures("small_pieces")
def test_the_same_graph_may_be_enqueued_again_while_its_gate_opens(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    datas = chain(12)
    plan = stage(queue, datas)
    with budget(4):
        assert queue.store.run(staging.open_gate(plan, len(plan.pieces)))
        queue.enqueue_many(datas)
        maintain(queue.store)
    assert status_of(queue, datas) == ["queued", *["deferred"] * 11]
    assert queue.job_ids == [datas[0].id]
