"""The Lua scripts as programs: how they are put together, that servers take them, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import samples
from by_hand import LEASE_MS, HandWorker, statuses
from hiredis import pack_command
from meter import IN_FULL
from redis import Redis
from redis.exceptions import ResponseError

import rqdeps.store.scripts
import rqdeps.store.store
from rqdeps import Dependency, Queue
from rqdeps.enqueue_data import EnqueueData
from rqdeps.store import Call, Keys
from rqdeps.store.calls import claims, reads, upkeep
from rqdeps.store.calls.enqueue import enqueue
from rqdeps.store.scripts import BUDGET, JOB_COST, MOVE_COST, NEW_JOB_COST, ScriptError, script, script_names
from rqdeps.store.store import command_of, evaluate

LUA = resources.files("rqdeps.store") / "lua"

# Putting scripts together

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes scripts of a test's own: name → lines. Dots stand for slashes."""
    monkeypatch.setattr(rqdeps.store.scripts, "_FOLDER", tmp_path)
    (tmp_path / "lib").mkdir()

    def write(**scripts: list[str]) -> None:
        for name, lines in scripts.items():
            (tmp_path / f"{name.replace('lib_', 'lib/')}.lua").write_text("\n".join(lines))

    script.cache_clear()
    yield write
    script.cache_clear()


def lines_of(name: str) -> list[str]:
    return [line for line in script(name).body.splitlines()[1:] if line]


def test_a_library_comes_before_whoever_includes_it(write: Write):
    write(top=["-- @include lib/a", "top"], lib_a=["-- @include lib/b", "a"], lib_b=["b"])
    assert lines_of("top") == ["b", "a", "top"]


def test_a_library_comes_once(write: Write):
    write(
        top=["-- @include lib/a", "-- @include lib/b", "top"],
        lib_a=["-- @include lib/c", "a"],
        lib_b=["-- @include lib/c", "b"],
        lib_c=["c"],
    )
    assert lines_of("top") == ["c", "a", "b", "top"]


def test_a_library_stands_where_it_is_first_included(write: Write):
    write(
        top=["above", "-- @include lib/a", "between", "-- @include lib/b"],
        lib_a=["a", "-- @include lib/b"],
        lib_b=["b"],
    )
    assert lines_of("top") == ["above", "a", "b", "between"]


def test_what_a_library_that_is_loaded_when_it_is_used_includes_in_its_midst_is_loaded_with_it(write: Write):
    write(
        top=["-- @include lib/a", "top"],
        lib_a=["-- @include lib/above", "local a = {}", "-- @include lib/b", "return a"],
        lib_above=["above"],
        lib_b=["b"],
    )
    assert lines_of("top") == [
        *["above", "local a = when_used(function()", "local a = {}", "b", "return a", "end)", "top"]
    ]


def test_a_circle_is_spelled_out(write: Write):
    write(top=["-- @include lib/a"], lib_a=["-- @include lib/b"], lib_b=["-- @include lib/a"])
    with pytest.raises(ScriptError, match="in a circle: top → lib/a → lib/b → lib/a"):
        script("top")


def test_a_library_that_includes_itself_is_a_circle(write: Write):
    write(top=["-- @include lib/a"], lib_a=["-- @include lib/a"])
    with pytest.raises(ScriptError, match="top → lib/a → lib/a"):
        script("top")


def test_a_missing_library_is_named_with_whoever_asked_for_it(write: Write):
    write(top=["-- @include lib/a"], lib_a=["-- @include lib/gone"])
    with pytest.raises(ScriptError, match="there is no script 'lib/gone', asked for by lib/a"):
        script("top")


def test_a_missing_script_is_named(write: Write):
    with pytest.raises(ScriptError, match="there is no script 'gone', asked for by a call"):
        script("gone")


def test_scripts_know_the_budget(write: Write):
    write(top=["top"])
    costs = f"{JOB_COST}, {MOVE_COST}"
    assert script("top").body.splitlines()[0] == f"local BUDGET, JOB_COST, MOVE_COST = {BUDGET}, {costs}"
    assert script("top", budget=3).body.splitlines()[0] == f"local BUDGET, JOB_COST, MOVE_COST = 3, {costs}"
    assert script("top").sha != script("top", budget=3).sha


# The scripts there are


@pytest.mark.parametrize("name", script_names())
def test_above_each_script_stand_its_purpose_keys_arguments_and_reply(name: str):
    lines = (LUA / f"{name}.lua").read_text("utf-8").splitlines()
    header = [line for line in lines[: lines.index("")] if not line.startswith("-- @include")]
    assert all(line.startswith("--") for line in header)
    assert re.match(rf"-- {name}: \w+", header[0])
    labels = [match[1] for line in header if (match := re.match(r"--   (KEYS|ARGV|reply) {2,}\S", line))]
    assert labels == ["KEYS", "ARGV", "reply"]


@pytest.mark.parametrize("name", sorted(path.name[:-4] for path in (LUA / "lib").iterdir()))
def test_above_each_library_stands_what_it_is_for(name: str):
    lines = (LUA / "lib" / f"{name}.lua").read_text("utf-8").splitlines()
    first = next(line for line in lines if not line.startswith("-- @include"))
    assert re.match(rf"-- lib/{name}: \w+", first)


def test_every_server_takes_every_script(connection: Redis):
    for name in script_names():
        assert connection.script_load(script(name).body) in (script(name).sha, script(name).sha.encode())


def test_every_script_is_asked_for_by_a_call():
    package = resources.files("rqdeps.store")
    sources = [path.read_text("utf-8") for path in (package / "calls").iterdir() if path.name.endswith(".py")]
    sources.append((package / "deployment.py").read_text("utf-8"))
    asked_for = {name for source in sources for name in re.findall(r'Call\(\s*"(\w+)"', source)}
    assert asked_for == set(script_names())


def test_a_server_that_has_lost_its_scripts_gets_them_again(connection: Redis):
    queue = Queue(connection=connection)
    first = queue.enqueue(samples.anything)
    connection.script_flush()
    second = queue.enqueue(samples.anything, depends_on=first)
    connection.script_flush()
    hands = HandWorker(queue.store)
    hands.claim()
    connection.script_flush()
    hands.finish(first.id)
    assert statuses(queue.store, [first.id, second.id]) == ["finished", "queued"]


# What exceeds a call's budget, made small here, goes on in the next


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(rqdeps.store.store, "script", partial(script, budget=2))
    return 2


def test_claims_whose_reply_was_lost_are_given_back_page_by_page(valkey: Redis, small_budget: int):
    queue = Queue(connection=valkey)
    ids = [queue.enqueue(samples.anything).id for _ in range(9)]
    known, lost = HandWorker(queue.store), HandWorker(queue.store)
    while len(known.held) + len(lost.held) < len(ids):
        known.claim(1)
        lost.claim(1)
        lost.claim(1)
    offset, returned = 0, 0
    while offset >= 0:
        call = claims.reclaim("default", holder=lost.holder, offset=offset, known=list(known.held.values()))
        offset, count = queue.store.run(call)
        assert count <= small_budget
        returned += count
    assert returned == len(lost.held)
    assert sorted(queue.get_job_ids(status="queued")) == sorted(lost.held)
    assert sorted(queue.get_job_ids(status="started")) == sorted(known.held)


def test_whether_a_job_is_still_needed_is_looked_up_page_by_page(valkey: Redis, small_budget: int):
    queue = Queue(connection=valkey)
    needed = queue.enqueue(samples.anything)
    dependents = [queue.enqueue(samples.anything, depends_on=needed) for _ in range(7)]
    hands = HandWorker(queue.store)
    hands.claim(1)
    hands.finish(needed.id)
    for _ in dependents[:-1]:
        for job_id in hands.claim(1):
            hands.finish(job_id)
    assert dependents[-1].is_queued

    def keep_no_longer() -> None:
        valkey.zadd("{rqdeps}:finished:default", {needed.id: 1})
        valkey.hset(f"{{rqdeps}}:job:{needed.id}", "ended_at", 1)
        for _ in range(20):
            if not queue.store.run(upkeep.maintain(["default"], lease_ms=LEASE_MS)).has_more:
                return
        raise AssertionError("maintain never comes to an end")

    keep_no_longer()
    assert needed.is_finished
    (last,) = hands.claim(1)
    hands.finish(last)
    keep_no_longer()
    assert statuses(queue.store, [needed.id]) == [None]


# Entries of queues that are left of a job whose id another has now


def test_a_job_is_not_claimed_from_a_queue_that_another_job_of_its_id_was_in(connection: Redis):
    first, second = Queue("first", connection=connection), Queue("second", connection=connection)
    first.enqueue(samples.anything, job_id="chosen", ttl=60)
    for registry, field in (("timers", "ttl"), ("canceled:first", "ended_at")):
        connection.zadd(f"{{rqdeps}}:{registry}", {"chosen": 1})
        connection.hset("{rqdeps}:job:chosen", field, 1)
        first.store.run(upkeep.maintain(["first"], lease_ms=LEASE_MS))
    assert statuses(first.store, ["chosen"]) == [None]
    second.enqueue(samples.anything, job_id="chosen")
    assert first.job_ids == []
    assert HandWorker(first.store, ["first"]).claim() == []
    assert HandWorker(first.store, ["second"]).claim() == ["chosen"]


# A server whose memory is full. fakeredis has no limit of memory.


@contextmanager
def full(client: Redis) -> Iterator[None]:
    client.config_set("maxmemory", "1")
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


# Leases run out by rewriting their scores, which a full server refuses too.
def test_a_full_server_takes_no_more_jobs_but_can_drain(real_connection: Redis):
    queue = Queue(connection=real_connection)
    jobs = [queue.enqueue(samples.anything) for _ in range(4)]
    dependent = queue.enqueue(samples.anything, depends_on=jobs)
    hands = HandWorker(queue.store)
    hands.claim(2)
    with full(real_connection):
        with pytest.raises(ResponseError, match="maxmemory"):
            queue.enqueue(samples.anything)
        queue.store.run(upkeep.beat("hand", {"pid": 1}))
        assert queue.store.run(claims.renew([(hands.held[jobs[0].id], True)], lease_ms=LEASE_MS)) == ["held"]
        hands.finish(jobs[0].id)
    real_connection.zadd("{rqdeps}:started:default", {jobs[1].id: 1})
    with full(real_connection):
        assert queue.store.run(upkeep.maintain(["default"], lease_ms=LEASE_MS)).recovered == [jobs[1].id]
        queue.store.run(upkeep.cascade())
        assert hands.claim(1) == [jobs[1].id]
        assert queue.store.run(claims.give_back([hands.held[jobs[1].id]])) == 1
        for job_id in hands.claim():
            hands.finish(job_id)
        assert hands.claim() == [dependent.id]
        hands.finish(dependent.id)
    assert {job.get_status() for job in [*jobs, dependent]} == {"finished"}


# What calls cost, counted by a real server, in commands of a call and of the scripts it runs


class Counter:
    """Counts commands since it was last asked."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.reset()

    def reset(self) -> None:
        self.client.config_resetstat()

    def commands(self) -> dict[str, int]:
        found = self.client.info("commandstats")
        self.reset()
        own = ("cmdstat_info", "cmdstat_config", "cmdstat_client", "cmdstat_hello")
        return {
            name.removeprefix("cmdstat_"): facts["calls"] for name, facts in found.items() if not name.startswith(own)
        }


@pytest.fixture
def queue(valkey: Redis) -> Queue:
    """A queue whose name and scripts the server knows."""
    queue = Queue(connection=valkey)
    warm_up = queue.enqueue(samples.anything)
    hands = HandWorker(queue.store)
    hands.claim()
    hands.finish(warm_up.id)
    return queue


@pytest.fixture
def counter(valkey: Redis, queue: Queue) -> Counter:
    return Counter(valkey)


def test_one_plain_job_costs_at_most_18_commands(queue: Queue, counter: Counter):
    hands = HandWorker(queue.store)
    job = queue.enqueue(samples.anything)
    assert hands.claim(1) == [job.id]
    hands.finish(job.id)
    commands = counter.commands()
    assert commands["evalsha"] == 3
    assert sum(commands.values()) <= 18, commands


@pytest.mark.parametrize("prefetched", [4, 32])
def test_each_of_1000_plain_jobs_in_a_drain_costs_at_most_15_commands(queue: Queue, counter: Counter, prefetched: int):
    for _ in range(1_000):
        queue.enqueue(samples.anything)
    outcomes: list[claims.Outcome] = []
    done = 0
    while done < 1_000:
        call = claims.settle(outcomes, holder="hand.1", lease_ms=LEASE_MS, queues=["default"], want=prefetched, begin=1)
        claimed = queue.store.run(call).claimed
        done += len(outcomes)
        outcomes = [claims.Outcome(claim, "finished", value=b"1") for claim in claimed]
    commands = counter.commands()
    assert sum(commands.values()) <= 14_600, commands
    assert commands["hgetall"] == 1_000, "a plain job is read whole when it is claimed, and not when it is reported"


def bytes_of(call: Call[Any]) -> int:
    """How many bytes a call is on its way to the server."""
    return len(pack_command(tuple(command_of(call, Keys()))))


def test_a_plain_job_takes_few_bytes_to_the_server():
    data = Queue.prepare_data(samples.anything)
    assert bytes_of(enqueue([data.new_job("default")], new_queues=[])) <= 240
    claim = claims.Claimed(data.id, "default", 1_795_390_264_500_157, 1, 0, 0, data.function, b"j[]", None, "", False)
    options = {"holder": "machine-12345-abcd.0", "lease_ms": LEASE_MS, "queues": ["default"], "want": 16, "begin": 0}
    alone, among_others = (
        bytes_of(claims.settle([claims.Outcome(claim, "finished", value=b"jnull")] * count, **options))
        for count in (1, 101)
    )
    assert alone <= 280
    assert (among_others - alone) / 100 <= 95


def test_a_job_that_waited_for_others_is_reported_without_being_read_whole(queue: Queue, counter: Counter):
    hands = HandWorker(queue.store)
    root = queue.enqueue(samples.anything)
    below = [queue.enqueue(samples.anything, depends_on=root) for _ in range(20)]
    assert hands.claim() == [root.id]
    hands.finish(root.id)
    assert hands.claim() == [job.id for job in below]
    counter.reset()
    hands.finish_all(job.id for job in below)
    commands = counter.commands()
    assert (commands["evalsha"], "hgetall" in commands) == (1, False)
    assert statuses(queue.store, [job.id for job in below]) == ["finished"] * len(below)


def test_a_plain_job_is_one_key_with_few_fields(queue: Queue):
    hands, client = HandWorker(queue.store), queue.store.client
    (job,) = queue.enqueue_many([Queue.prepare_data(samples.anything)])
    key = queue.store.keys.prefix + f"job:{job.id}"
    before = {"status", "queue", "enqueued_at", "function", "payload"}
    assert {name.decode() for name in client.hkeys(key)} == before
    assert hands.claim(1) == [job.id]
    hands.finish(job.id)
    after = before | {"fence", "holder", "started_at", "attempt", "result", "ended_at"}
    assert {name.decode() for name in client.hkeys(key)} - {"begun"} == after
    assert [found for found in client.scan_iter() if job.id.encode() in found] == [key.encode()]


def test_a_graph_of_100_jobs_with_five_dependencies_each_is_one_call(queue: Queue, counter: Counter):
    datas = [Queue.prepare_data(samples.anything)]
    for place in range(1, 100):
        datas.append(Queue.prepare_data(samples.anything, depends_on=datas[max(0, place - 5) : place]))
    jobs = queue.enqueue_many(datas)
    assert counter.commands()["evalsha"] == 1
    assert statuses(queue.store, [job.id for job in jobs]) == ["queued"] + ["deferred"] * 99


def test_a_graph_beyond_the_budget_comes_in_pieces_of_it(queue: Queue, counter: Counter):
    datas = [Queue.prepare_data(samples.anything) for _ in range(2 * BUDGET // NEW_JOB_COST + 1)]
    queue.enqueue_many(datas)
    assert counter.commands()["hset"] >= len(datas)
    assert count_jobs(queue, "queued") == len(datas)


def test_a_job_that_just_waits_goes_through_its_gate_without_being_read_whole(queue: Queue, counter: Counter):
    root = Queue.prepare_data(samples.anything)
    below = [Queue.prepare_data(samples.anything, depends_on=root) for _ in range(BUDGET)]
    queue.enqueue_many([root, *below])
    commands = counter.commands()
    assert commands["evalsha"] > 2  # it comes in pieces
    assert commands["hgetall"] == 1
    assert count_jobs(queue, "deferred") == len(below)


def layers_of(size: int) -> list[EnqueueData]:
    """Layers of 100 jobs; each job waits for five of the layer above."""
    datas: list[EnqueueData] = []
    for place in range(size):
        begin = (place // 100 - 1) * 100
        above = [datas[begin + (7 * place + 19 * n) % 100] for n in range(5)] if begin >= 0 else None
        datas.append(Queue.prepare_data(samples.anything, depends_on=above))
    return datas


@pytest.mark.parametrize("shape", ["plain", "layers"])
def test_a_graph_of_10000_jobs_takes_at_most_20_round_trips(queue: Queue, monkeypatch: pytest.MonkeyPatch, shape: str):
    size = 10_000 if IN_FULL else 2_000
    datas = layers_of(size) if shape == "layers" else [Queue.prepare_data(samples.anything) for _ in range(size)]
    round_trips = []

    def counted(connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
        round_trips.append([call.script for call in calls])
        return evaluate(connection, calls, keys)

    monkeypatch.setattr(rqdeps.store.store, "evaluate", counted)
    queue.enqueue_many(datas)
    assert len(round_trips) <= 20 * size // 10_000, round_trips
    monkeypatch.undo()
    assert sum(count_jobs(queue, status) for status in ("queued", "deferred")) == size


def test_a_plain_job_of_a_large_bulk_costs_hardly_more_than_one_command(queue: Queue, counter: Counter):
    datas = [Queue.prepare_data(samples.anything) for _ in range(1_000)]
    queue.enqueue_many(datas)
    commands = counter.commands()
    assert sum(commands.values()) <= 1.15 * len(datas), commands


def enqueue_in_batches(queue: Queue, count: int, **options: object) -> list[str]:
    size = 100
    ids = []
    for begin in range(0, count, size):
        datas = [Queue.prepare_data(samples.anything, **options) for _ in range(begin, min(begin + size, count))]
        ids += [job.id for job in queue.enqueue_many(datas)]
    return ids


def count_jobs(queue: Queue, status: str) -> int:
    return queue.store.run(reads.overview([queue.name]))[queue.name][status]


@pytest.mark.parametrize(
    ("rule", "ends_as"), [("all_success", "queued"), ("all_failed", "skipped")], ids=["released", "ended"]
)
def test_a_parent_of_2000_dependents_tells_them_in_several_calls(
    queue: Queue, counter: Counter, rule: str, ends_as: str
):
    parent = queue.enqueue(samples.anything)
    hands = HandWorker(queue.store)
    hands.claim()
    ids = enqueue_in_batches(queue, 2_000, depends_on=Dependency(parent, rule=rule))
    before = count_jobs(queue, ends_as)
    told = []
    counter.reset()
    outcome = claims.Outcome(hands.held.pop(parent.id), "finished", value=b"1")
    call = claims.settle([outcome], holder="hand.1", lease_ms=LEASE_MS, queues=["default"], want=0, begin=0, look=False)
    left = queue.store.run(call).cascades_left
    while True:
        now = count_jobs(queue, ends_as)
        told.append(now - before)
        before = now
        commands = counter.commands()
        # One for each register that is read, one for each that is written, and what moving a job takes.
        assert sum(commands.values()) <= 4 * BUDGET, commands
        if not left:
            break
        left = queue.store.run(upkeep.cascade())
    assert sum(told) == 2_000
    assert max(told) <= BUDGET // (1 + MOVE_COST) + 1
    assert set(statuses(queue.store, ids)) == {ends_as}


def test_a_failure_runs_down_a_long_chain_in_several_calls(queue: Queue, counter: Counter):
    first = queue.enqueue(samples.anything)
    hands = HandWorker(queue.store)
    hands.claim()
    ids = [first.id]
    for _ in range(10):
        datas = []
        for _ in range(100):
            datas.append(Queue.prepare_data(samples.anything, depends_on=datas[-1] if datas else ids[-1]))
        ids += [job.id for job in queue.enqueue_many(datas)]
    counter.reset()
    hands.fail(first.id)
    commands = counter.commands()
    assert commands["evalsha"] >= 1_000 * (1 + MOVE_COST) // BUDGET
    assert statuses(queue.store, ids) == ["failed"] + ["upstream_failed"] * 1_000


def test_claims_and_reports_of_many_jobs_stay_within_the_budget(queue: Queue, counter: Counter):
    ids = enqueue_in_batches(queue, 1_000)
    hands = HandWorker(queue.store)
    claimed = hands.claim(10_000)
    assert claimed == ids[: len(claimed)]
    assert len(claimed) * JOB_COST <= BUDGET
