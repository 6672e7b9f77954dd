"""Jobs that repeat: another life after each success, and none after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
import samples
import steps
from by_hand import HandWorker
from clocks import Clock, clock_of_server
from redis import Redis

from rqdeps import Fallback, Job, Queue, Repeat, SimpleWorker, Workflow, get_current_job
from rqdeps.store.calls import upkeep
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.scripts import BUDGET

LEASE_MS = 30_000


@pytest.fixture
def q(connection: Redis) -> Queue:
    return Queue("work", connection=connection)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, ["work"])


@pytest.fixture
def clock() -> Iterator[Clock]:
    with clock_of_server() as clock:
        yield clock


def maintain(q: Queue) -> upkeep.Maintained:
    return q.store.run(upkeep.maintain([q.name], lease_ms=LEASE_MS))


def spawn_one() -> str:
    current = get_current_job()
    assert current is not None
    return current.spawn(steps.echo, "spawned").output


# The value


@pytest.mark.parametrize(
    ("interval", "intervals", "text"),
    [
        (0, [0], ""),
        (5, [5], "5000"),
        ("1m", [60], "60000"),
        (timedelta(seconds=2), [2], "2000"),
        ([1, 2.5, "3s"], [1, 2.5, 3], "1000,2500,3000"),
        ([0, 0], [0], ""),
    ],
)
def test_intervals_are_read_in_every_form(interval: object, intervals: list[float], text: str) -> None:
    repeat = Repeat(3, interval)  # type: ignore[arg-type]
    assert (repeat.times, repeat.intervals, repeat.encode()) == (3, intervals, text)
    assert repeat == Repeat(times=3, interval=intervals)
    assert hash(repeat) == hash(Repeat(times=3, interval=intervals))
    assert eval(repr(repeat)) == repeat
    assert repeat != Repeat(4, intervals)
    assert repeat != 3


@pytest.mark.parametrize(
    ("times", "interval", "error"),
    [
        (0, 0, ValueError),
        (-1, 0, ValueError),
        (2_000_000_000, 0, ValueError),
        (True, 0, TypeError),
        ("3", 0, TypeError),
        (3, -1, ValueError),
        (3, [], ValueError),
        (3, [1, -1], ValueError),
        (3, None, TypeError),
    ],
)
def test_what_makes_no_sense_is_refused(times: object, interval: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        Repeat(times, interval)  # type: ignore[arg-type]


def test_the_option_takes_nothing_else(q: Queue) -> None:
    with pytest.raises(TypeError, match=r"repeat must be a Repeat, such as Repeat\(times=3, interval=60\), not 3"):
        q.enqueue(samples.anything, repeat=3)


# What becomes of the job


def test_a_job_runs_once_more_for_each_time(q: Queue, connection: Redis) -> None:
    job = q.enqueue(steps.echo, "said", repeat=Repeat(3))
    SimpleWorker([q]).work(burst=True)
    assert (job.get_status(), job.attempt, job.result, job.repeats_left) == ("finished", 4, "said", 0)
    assert job.repeats_at is None


def test_intervals_are_kept_and_the_last_holds_on(q: Queue, hands: HandWorker, clock: Clock) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(3, [10, 20]))
    ended = []
    for wait in (10, 20, 20):
        assert hands.claim() == [job.id]
        hands.finish(job.id, b"j1")
        job.refresh()
        assert (job.is_finished, job.result) == (True, 1)
        assert job.repeats_at is not None
        assert job.ended_at is not None
        assert job.repeats_at - job.ended_at == timedelta(seconds=wait)
        ended.append(job.ended_at)
        clock.jump(wait - 1)
        assert maintain(q).next_due_ms is not None
        assert hands.claim() == []
        clock.jump(1)
        maintain(q)
        assert job.get_status() == "queued"
    assert hands.claim() == [job.id]
    hands.finish(job.id, b"j1")
    clock.jump(100)
    maintain(q)
    assert (hands.claim(), job.get_status(), job.repeats_left) == ([], "finished", 0)
    assert all(later > earlier for earlier, later in pairwise(ended))


def test_dependents_are_released_by_the_first_success(q: Queue, hands: HandWorker, clock: Clock) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(2, 10))
    after = q.enqueue(samples.anything, depends_on=job)
    hands.claim()
    assert hands.finish(job.id) == [after.id]
    clock.jump(11)
    maintain(q)
    assert job.get_status() == "queued"
    late = q.enqueue(samples.anything, depends_on=job)
    assert (after.get_status(), late.get_status()) == ("queued", "deferred")
    assert set(hands.claim()) == {after.id, job.id}
    assert hands.finish(job.id) == [late.id]
    hands.finish(after.id)


def test_each_life_has_all_its_retries_and_a_failure_ends_the_repetitions(
    q: Queue, hands: HandWorker, clock: Clock
) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(5, 10), retry=1)
    for _ in range(2):
        hands.claim()
        hands.fail(job.id, retry_in_ms=0)
        assert job.get_status() == "queued"
        hands.claim()
        hands.finish(job.id)
        clock.jump(11)
        maintain(q)
    hands.claim()
    hands.fail(job.id)
    assert (job.get_status(), job.repeats_left) == ("failed", 3)
    clock.jump(1_000)
    maintain(q)
    assert job.get_status() == "failed"
    job.requeue()
    hands.claim()
    hands.finish(job.id)
    job.refresh()
    assert job.repeats_at is not None  # a person who gives it another life has it go on


@pytest.mark.parametrize("way", ["cancel", "delete", "requeue", "skip"])
def test_a_person_changes_the_mind_of_a_job_that_waits_to_repeat(
    q: Queue, hands: HandWorker, clock: Clock, way: str
) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(5, 10))
    hands.claim()
    hands.finish(job.id)
    if way == "cancel":
        assert (job.cancel(), job.cancel()) == (True, True)
        assert "repetition" not in job.explain()
    elif way == "delete":
        assert "runs again at" in job.explain()
        job.delete()
    elif way == "requeue":
        job.requeue(force=True)
        assert hands.claim() == [job.id]
        hands.finish(job.id)
        assert job.repeats_left == 5
        return
    else:
        with pytest.raises(ValueError, match="finished"):
            job.skip()
        return
    clock.jump(1_000)
    maintain(q)
    assert hands.claim() == []


def test_a_job_is_kept_until_its_next_life_though_its_value_is_not(q: Queue, hands: HandWorker, clock: Clock) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(1, "1d"), result_ttl=60)
    hands.claim()
    hands.finish(job.id)
    for _ in range(23):
        clock.jump(3_600)
        maintain(q)
    assert (job.get_status(), job.return_value()) == ("finished", None)
    clock.jump(3_600)
    maintain(q)
    assert hands.claim() == [job.id]
    hands.finish(job.id)
    clock.jump(3_600)
    maintain(q)
    assert not Job.exists(job.id, q.connection)


def test_nobody_is_left_out_of_the_news_by_a_new_life(q: Queue, hands: HandWorker, clock: Clock) -> None:
    """The next life waits until all dependents know of the end, also where that takes several calls."""
    job = q.enqueue(samples.anything, repeat=Repeat(1))
    many = q.enqueue_many([q.prepare_data(samples.anything, depends_on=job) for _ in range(BUDGET)])
    assert hands.claim(1) == [job.id]
    outcome = Outcome(hands.held.pop(job.id), "finished", value=b"jnull")
    assert q.store.run(hands._settle([outcome], want=0)).cascades_left == 1
    assert job.get_status() == "finished"  # though its interval is 0
    while q.store.run(upkeep.cascade()):
        pass
    assert {each.get_status() for each in many} == {"queued"}
    clock.jump(5)
    maintain(q)
    assert job.get_status() == "queued"
    hands.claim(1)


def test_a_job_that_spawns_others_repeats_with_them(q: Queue, connection: Redis) -> None:
    job = q.enqueue(spawn_one, repeat=Repeat(2))
    SimpleWorker([q]).work(burst=True)
    for _ in range(3):
        maintain(q)
        SimpleWorker([q]).work(burst=True)
    assert (job.get_status(), job.result, job.attempt) == ("finished", "spawned", 3)


@pytest.mark.parametrize("kind", ["workflow", "fallback", "chain"])
def test_what_others_wait_for_to_have_ended_for_good_cannot_repeat(q: Queue, kind: str) -> None:
    repeat = Repeat(2)
    tried: dict[str, Callable[[], object]] = {
        "workflow": lambda: Workflow("nightly", queue=q).enqueue(samples.anything, repeat=repeat),
        "fallback": lambda: q.enqueue(samples.anything, fallback=Fallback(samples.anything, repeat=repeat)),
        "chain": lambda: q.options(repeat=repeat).chain(samples.anything, samples.anything),
    }
    with pytest.raises(ValueError, match="can't repeat"):
        tried[kind]()


def test_a_repetition_is_made_up_for_after_workers_were_away_for_long(
    q: Queue, hands: HandWorker, clock: Clock
) -> None:
    jobs = [q.enqueue(samples.anything, repeat=Repeat(3, 60)) for _ in range(BUDGET // 2)]
    hands.finish_all(hands.claim())
    while hands.held or (claimed := hands.claim()):
        hands.finish_all([*hands.held] or claimed)
    clock.jump(86_400)
    while maintain(q).has_more:
        pass
    assert {job.get_status() for job in jobs} == {"queued"}


def test_a_job_that_finished_before_its_stop_was_heard_does_not_repeat(
    q: Queue, hands: HandWorker, clock: Clock
) -> None:
    for interval in (0, 10):
        job = q.enqueue(samples.anything, repeat=Repeat(3, interval))
        hands.claim()
        assert job.cancel() is True
        hands.finish(job.id)
        job.refresh()
        assert (job.is_finished, job.repeats_left, job.repeats_at) == (True, 0, None)
        clock.jump(60)
        maintain(q)
        assert hands.claim() == []


def test_a_job_that_has_repeated_for_the_last_time_cannot_be_canceled(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(1))
    for _ in range(2):
        hands.claim()
        hands.finish(job.id)
    assert job.cancel() is False


def test_a_life_waits_until_all_below_know_of_the_one_before(q: Queue, hands: HandWorker, clock: Clock) -> None:
    job = q.enqueue(samples.anything, repeat=Repeat(5))
    many = q.enqueue_many([q.prepare_data(samples.anything, depends_on=job) for _ in range(2 * BUDGET)])
    for life in range(6):
        assert hands.claim(1) == [job.id] if life == 0 else True
        outcome = Outcome(hands.held.pop(job.id), "finished", value=b"jnull")
        q.store.run(hands._settle([outcome], want=0))
        late = q.enqueue(samples.anything, depends_on=job, at_front=True)
        while job.get_status() == "finished" and job.repeats_left:
            while q.store.run(upkeep.cascade()):
                pass
            assert late.get_status() == "queued"
            clock.jump(2)
            maintain(q)
        while life < 5 and job.id not in hands.held:
            hands.claim(1)
    assert {each.get_status() for each in many} <= {"queued", "started"}


def test_too_many_intervals_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 1,001 intervals, and at most 1,000 can be"):
        Repeat(5, [1] * 1_001)
