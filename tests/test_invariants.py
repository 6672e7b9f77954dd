"""The checker of stored data: silent on data in order, and every kind of disorder is found and named."""

from __future__ import annotations

from collections.abc import Callable

import every_place
import pytest
import samples
import servers
from conftest import StartServer
from redis import Redis

from rqdeps import Queue
from rqdeps.store.invariants import InvariantError, check_invariants


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> servers.Server:
    return start_server(servers.VALKEY_9)


@pytest.fixture(scope="module")
def template(server: servers.Server) -> dict[bytes, bytes]:
    """Data in order: each key, as the server dumps it."""
    server.clear()
    every_place.fill(server.client)
    return {key: server.client.dump(key) for key in server.client.scan_iter()}


@pytest.fixture
def data(server: servers.Server, template: dict[bytes, bytes]) -> Redis:
    """A copy of the template, to be spoilt."""
    server.clear()
    pipeline = server.client.pipeline(transaction=False)
    for key, dumped in template.items():
        pipeline.restore(key, 0, dumped)
    pipeline.execute()
    return server.client


def test_data_in_order_is_accepted(data: Redis):
    check_invariants(data)
    check_invariants(data, quiet=True)
    check_invariants(data, "another")


P = "{rqdeps}:"
DISORDER: dict[str, Callable[[Redis], object]] = {
    "key novel:thing (string) is not part of the schema": lambda r: r.set(P + "novel:thing", 1),
    "key queue-meta:default (string) is not part of the schema": lambda r: (
        r.delete(P + "queue-meta:default"), r.set(P + "queue-meta:default", 1)
    ),
    "key payload:gone belongs to no job": lambda r: r.set(P + "payload:gone", 1),
    "key dependents:gone belongs to no job": lambda r: r.zadd(P + "dependents:gone", {"deferred": 1}),
    "key finished:novel belongs to a queue": lambda r: r.zadd(P + "finished:novel", {"x": 1}),
    "key worker:w belongs to a worker": lambda r: r.hset(P + "worker:w", "pid", 1),
    "job:queued has a field description of more": lambda r: r.hset(P + "job:queued", "description", "é" * 33),
    "job queued: its payload should have a key of its own": lambda r: r.delete(P + "payload:queued"),
    "job started: there is a key result:started": lambda r: r.set(P + "result:started", 1),
    "job queued: 'novel' is no status": lambda r: r.hset(P + "job:queued", "status", "novel"),
    "job queued: its queue 'novel' is not in queues": lambda r: r.hset(P + "job:queued", "queue", "novel"),
    "job queued: its epoch is '0'": lambda r: r.hset(P + "job:queued", "epoch", 0),
    "job retrying: 3 failures with 1 retries": lambda r: r.hset(P + "job:retrying", "failures", 3),
    "job failed: is failed, and has no time of its end": lambda r: r.hdel(P + "job:failed", "ended_at"),
    "job failed: more than 1000 lines of its log": lambda r: r.rpush(P + "log:failed", *range(1_001)),
    "key log:gone belongs to no job": lambda r: r.rpush(P + "log:gone", "1 1 line"),
    "job failed: there is a key progress:failed": lambda r: r.set(P + "progress:failed", "1 1 - "),
    "job failed: its progress should have a key of its own": lambda r: r.hset(P + "job:failed", "progress", "@"),
    "job failed: more than 10 attempts": lambda r: r.rpush(P + "attempts:failed", *range(10)),
    "finished:default holds gone, which does not exist": lambda r: r.zadd(P + "finished:default", {"gone": 1}),
    "finished:default holds failed, which is failed": lambda r: r.zadd(P + "finished:default", {"failed": 1}),
    "job started: is started, and not in started:default": lambda r: r.zrem(P + "started:default", "started"),
    "job queued: is queued, and has no entry": lambda r: r.lrem(P + "queue:default", 0, "queued:1"),
    "queue-meta:default counts 0 stale entries, and there are 1": lambda r: r.rpush(P + "queue:default", "gone:1"),
    "queue-meta:default counts 0 stale entries, and there are 1 ": lambda r: r.rpush(P + "queue:default", "queued:1"),
    "queue-meta:default counts 2 jobs that retry": lambda r: r.hset(P + "queue-meta:default", "retrying", 2),
    "queue-meta:default has an unknown field": lambda r: r.hset(P + "queue-meta:default", "novel", 2),
    "job started: is started, and has no fence": lambda r: r.hdel(P + "job:started", "fence"),
    "job started: is started, and has no holder": lambda r: r.hdel(P + "job:started", "holder"),
    "job started: is started, and what it says of whether it": lambda r: r.hset(P + "job:started", "begun", "so"),
    "job started: has begun, and counts no attempt": lambda r: r.hset(P + "job:started", "attempt", 0),
    "dependencies:deferred has an unreadable field": lambda r: r.hset(P + "dependencies:deferred", "started", "x:1"),
    "dependencies:deferred counts 2 groups": lambda r: r.hset(P + "dependencies:deferred", "#", 2),
    "dependencies:deferred: started stands in group 1": lambda r: r.hset(
        P + "dependencies:deferred", "started", "dependency:1:1:"
    ),
    "dependencies:deferred: group 0 (all_done) counts [2, 0, 1, 0]": lambda r: r.hset(
        P + "dependencies:deferred", "#0", "all_done:2:0:1:0"
    ),
    "job deferred: counts 0 outputs, its registers 1": lambda r: r.hset(
        P + "dependencies:deferred", "started", "output:0:1:"
    ),
    "job deferred depends on started, and is not in dependents": lambda r: r.zrem(P + "dependents:started", "deferred"),
    "dependents:started holds queued, which does not": lambda r: r.zadd(P + "dependents:started", {"queued": 9}),
    "dependents:started: its orders are not distinct": lambda r: r.zadd(P + "dependents:started", {"deferred": 2}),
    "job started: linked is 1, below an order": lambda r: r.hset(P + "job:started", "linked", 1),
    "job deferred: is deferred, and waits for started, which": lambda r: forget(r, "started"),
    "job deferred: knows started as open in epoch 1; it is started in epoch 2": lambda r: r.hset(
        P + "job:started", "epoch", 2
    ),
    "job deferred: knows finished as open in epoch 1; it is finished": lambda r: r.hset(
        P + "dependencies:deferred", mapping={"finished": "dependency:0:1:", "#0": "all_done:2:0:0:0"}
    ),
    "job upstream_failed: is upstream_failed, and its dependencies make it deferred": lambda r: r.hset(
        P + "dependencies:upstream_failed", "#0", "all_done:2:0:1:0"
    ),
    "job queued: is queued, and its dependencies never let it run (deferred)": lambda r: (
        r.hset(P + "dependencies:queued", mapping={"#": 1, "#0": "all_done:1:0:0:0", "started": "dependency:0:1:"}),
        r.zadd(P + "dependents:started", {"queued": 3}),
    ),
    "job skipped: is skipped, and has no dependencies": lambda r: r.delete(P + "dependencies:skipped"),
    "timers holds gone, which does not exist": lambda r: r.zadd(P + "timers", {"gone": 1}),
    "timers holds started, which is started": lambda r: r.zadd(P + "timers", {"started": 1}),
    "timers holds queued, which has begun": lambda r: r.hset(P + "job:queued", "attempt", 1),
    "job queued: waits with a ttl, and is not in timers": lambda r: r.zrem(P + "timers", "queued"),
    "cascades holds gone, which does not exist": lambda r: r.zadd(P + "cascades", {"gone": 0}),
    "cascades holds started, which is started": lambda r: r.zadd(P + "cascades", {"started": 0}),
    "cascades holds failed at 7, and the last of its dependents is 1": lambda r: r.zadd(P + "cascades", {"failed": 7}),
    "key gate:gone (list) is not part": lambda r: r.rpush(P + "gate:gone", 1),
    "key inbox:gone belongs to a worker": lambda r: r.rpush(P + "inbox:gone", "started:1"),
    "job queued: has an unknown field novel": lambda r: r.hset(P + "job:queued", "novel", 1),
    "job queued: is queued, and has reason, which": lambda r: r.hset(P + "job:queued", "reason", "none"),
    "job queued: is queued, and is still to be stopped": lambda r: r.hset(P + "job:queued", "stop", 1),
    "job failed: is failed, and has a result": lambda r: r.hset(P + "job:failed", "result", "1"),
    "job failed: is deleted in an unknown way, 'soon'": lambda r: r.hset(P + "job:failed", "deleting", "soon"),
    "job failed: is being deleted, and not in cascades": lambda r: r.hset(P + "job:failed", "deleting", "release"),
    "job doomed: is being deleted, and not in cascades": lambda r: r.zrem(P + "cascades", "doomed"),
    "job held: is created, and not in created:default": lambda r: r.zrem(P + "created:default", "held"),
    "job held: is created, and neither held nor behind a gate": lambda r: r.hdel(P + "job:held", "held"),
    "created:default holds closed-1, which stands behind gate closed": lambda r: r.zadd(
        P + "created:default", {"closed-1": 1}
    ),
    "job closed-2: is deferred, and stands behind gate closed": lambda r: r.hset(
        P + "job:closed-2", "status", "deferred"
    ),
    "job closed-1: should stand in gate:closed, and does not": lambda r: r.zrem(P + "gate:closed", "closed-1"),
    "gates holds gate closed, which does not exist": lambda r: r.delete(P + "gate:closed"),
    "cascades holds gate opened, which does not exist": lambda r: r.delete(P + "gate:opened"),
    "gate closed: stands in neither": lambda r: r.zrem(P + "gates", "closed"),
    "gate opened: stands in neither": lambda r: r.zrem(P + "cascades", "gate:opened"),
    "gate opened: stands in both": lambda r: r.zadd(P + "gates", {"opened": 1}),
    "gate closed: counts 0 pieces": lambda r: r.zrem(P + "gate:closed", "#"),
    "gate opened: counts -0 pieces": lambda r: r.zadd(P + "gate:opened", {"#": 0}),
    "gate closed: its places are not distinct": lambda r: r.zadd(P + "gate:closed", {"closed-2": 1}),
    "plain:plain: belongs to no gate": lambda r: r.zadd(P + "gate:plain", {"queued": 1}),
    "plain:gone: belongs to no gate": lambda r: r.rpush(P + "plain:gone", "a", "", "default", 0),
    "plain:plain: does not end where a job does": lambda r: r.rpop(P + "plain:plain"),
    "plain:plain: does not end where a job does ": lambda r: r.rpush(P + "plain:plain", "a", "", "default", "few"),
    "gate closed: holds gone, which does not exist": lambda r: r.zadd(P + "gate:closed", {"gone": 3}),
    "gate closed: holds queued, which is queued behind gate none": lambda r: r.zadd(P + "gate:closed", {"queued": 3}),
    "timers holds held, which is created": lambda r: r.zadd(P + "timers", {"held": 1}),
    "dependents:saved holds saved-fan at 0, and it is its dependency": lambda r: r.zadd(
        P + "dependents:saved", {"saved-fan": 0}
    ),
    "dependents:saved holds rescuer at 9, and it is its fallback": lambda r: r.zadd(
        P + "dependents:saved", {"rescuer": 9}
    ),
    "job saved: its fallback is queued, which is none or another's": lambda r: r.hset(
        P + "job:saved", "fallback", "queued"
    ),
    "job saved: its fallback is rescuer, which is none or another's": lambda r: r.hdel(
        P + "job:rescuer", "fallback_of"
    ),
    "job saved: its fallback is rescuer, which does not wait for it": lambda r: r.delete(P + "dependencies:rescuer"),
    "job saved-fan: is the fallback of saved, and waits for it like any other": lambda r: r.hset(
        P + "job:saved-fan", "fallback_of", "saved"
    ),
    "job saved: is failed, and finished stands in for it beside rescuer": lambda r: r.hset(
        P + "job:saved", "stand_in", "finished"
    ),
    "job saved-fan: knows saved as open in epoch 1; it is failed in epoch 1, and comes to finished": lambda r: (
        r.hset(P + "job:saved", "stand_in", "finished"), r.hdel(P + "job:saved", "fallback")
    ),
    "job saved-fan: knows saved as open in epoch 1; it is failed in epoch 1, and nobody": lambda r: r.hdel(
        P + "job:saved", "fallback"
    ),
    "job rescuer: knows saved as failed in epoch 1; it is failed in epoch 2, and nobody": lambda r: r.hset(
        P + "job:saved", "epoch", 2
    ),
    "dependencies:rescuer: group 0 (fallback) counts [1, 0, 1, 0], its registers [1, 0, 0, 1]": lambda r: r.hset(
        P + "dependencies:rescuer", "saved", "fallback:0:1:canceled"
    ),
    "job saved-fan: waits for saved, which goes without having told it": lambda r: (
        r.hset(P + "job:saved", "deleting", "cancel"), r.zadd(P + "cascades", {"saved": 1})
    ),
    "job finished: knows scheduled in epoch 2, and that is yet to come": lambda r: (
        r.hset(P + "dependencies:finished", mapping={"#": 1, "#0": "all_done:1:0:0:0", "scheduled": "dependency:0:2:"}),
        r.zadd(P + "dependents:scheduled", {"finished": 1}),
        r.hset(P + "job:scheduled", "linked", 1),
        r.zadd(P + "reopenings", {"scheduled": 0}), r.hset(P + "job:scheduled", "reopening", 1),
    ),
    # What is spawned, and joined
    "key joins:gone belongs neither to a job nor": lambda r: r.hset(P + "joins:gone", "#", 1),
    "job finished: there is a key joins:finished, and its hash": lambda r: r.hset(P + "joins:finished", "#", 1),
    "job joiner: is joining, and its hash does not say": lambda r: r.hdel(P + "job:joiner", "joins"),
    "job finished: gives what it joins, and its hash": lambda r: r.hset(P + "job:finished", "gives", 1),
    "job joiner: has run and joins others, and there are none": lambda r: r.delete(P + "joins:joiner"),
    "job queued: is queued, and its hash says that it has run": lambda r: r.hset(P + "job:queued", "joins", 1),
    "joins:joiner has an unreadable field joined": lambda r: r.hset(P + "joins:joiner", "joined", "fallback:1:1:"),
    "dependencies:deferred has an unreadable field started": lambda r: r.hset(
        P + "dependencies:deferred", "started", "spawn:0:1:"
    ),
    "joins:joiner: group 1 (none_failed) counts [1, 1, 0, 0]": lambda r: r.hset(
        P + "joins:joiner", "#1", "none_failed:1:1:0:0"
    ),
    "job joiner joins joined, and is not in dependents": lambda r: r.zrem(P + "dependents:joined", "joiner"),
    "dependents:joined holds joiner at 0, and it is its spawn": lambda r: r.zadd(
        P + "dependents:joined", {"joiner": 0}
    ),
    "job joiner: knows joined as open in epoch 1; it is started in epoch 2": lambda r: r.hset(
        P + "job:joined", "epoch", 2
    ),
    "job joiner: is joining, and what it joins makes it finished": lambda r: r.hset(
        P + "joins:joiner", mapping={"joined": "spawn:1:1:finished", "#1": "none_failed:1:1:0:0"}
    ),
    "job fallen: is upstream_failed, and what it joins makes it joining": lambda r: r.hset(
        P + "joins:fallen", mapping={"broken": "spawn:0:1:", "#0": "all_success:1:0:0:0"}
    ),
    "job fallen: is upstream_failed, and what it joins makes it stopped": lambda r: r.hset(P + "job:fallen", "stop", 1),
    "job flow: is canceled, and nobody has stopped it": lambda r: r.hset(P + "job:flow", "status", "canceled"),
    "job joiner: is canceled, and has run and joins others": lambda r: r.hset(P + "job:joiner", "status", "canceled"),
    "job joiner: its result holds the output of given, and given has lost it": lambda r: r.hdel(
        P + "job:given", "result"
    ),
    "job joiner: its result holds the output of given, and rescuer has lost it": lambda r: (
        r.hset(P + "job:given", mapping={"status": "failed", "fallback": "rescuer"}),
        r.hset(P + "job:rescuer", "status", "finished"),
    ),
    "belongs to gate {gate}, which is not closed": lambda r: r.zrem(P + "gates", gate_of_spawner(r)),
    "job spawner: spawns behind gate {gate}, and its hash does not say so": lambda r: r.hdel(
        P + "job:spawner", "spawning"
    ),
    "joins:{gate} holds staged, which does not stand behind that gate": lambda r: r.hset(
        P + "job:staged", "gate", "closed"
    ),
    "joins:{gate} holds staged as failed in epoch 1": lambda r: r.hset(
        P + "joins:" + gate_of_spawner(r), "staged", "spawn:0:1:failed"
    ),
    "job started: spawns behind gate {gate}, which is another's": lambda r: r.hset(
        P + "job:started", "spawning", gate_of_spawner(r)
    ),
    "job joiner: joins what it has spawned, and its hash says": lambda r: r.hset(P + "job:joiner", "spawning", "gone"),
    # Workflows
    "key workflow:gone belongs to no workflow": lambda r: r.hset(P + "workflow:gone", "entered", 1),
    "workflows holds gone, which is no workflow": lambda r: r.zadd(P + "workflows", {"gone": 1}),
    "workflows holds queued, which is no workflow": lambda r: r.zadd(P + "workflows", {"queued": 1}),
    "job flow: is a workflow's own, and not in workflows": lambda r: r.zrem(P + "workflows", "flow"),
    "job flow: is a workflow's own, and its hash does not say": lambda r: r.hdel(P + "job:flow", "joins"),
    "job flow: is a workflow's own, and belongs to halting": lambda r: r.hset(P + "job:flow", "workflow", "halting"),
    "job queued: is queued, and has no function": lambda r: r.hset(P + "job:queued", "function", ""),
    "job queued: has no function": lambda r: r.hdel(P + "job:queued", "function"),
    "job doomed: is deleted with its members, and is no workflow": lambda r: r.hset(
        P + "job:doomed", "deleting", "cancel:open:members"
    ),
    "job flow-open: belongs to workflow flow, and is not in workflow-jobs:flow": lambda r: r.zrem(
        P + "workflow-jobs:flow", "flow-open"
    ),
    "job queued: belongs to workflow gone, which does not exist": lambda r: r.hset(
        P + "job:queued", "workflow", "gone"
    ),
    "job queued: belongs to workflow failed, which is a job like others": lambda r: r.hset(
        P + "job:queued", "workflow", "failed"
    ),
    "workflow-jobs:flow holds queued, which does not belong to it": lambda r: r.zadd(
        P + "workflow-jobs:flow", {"queued": 3}
    ),
    "workflow-jobs:flow: its places are not distinct whole numbers up to 3": lambda r: r.zadd(
        P + "workflow-jobs:flow", {"flow-open": 4}
    ),
    "workflow:flow has an unknown field novel": lambda r: r.hset(P + "workflow:flow", "novel", 1),
    "workflow:flow does not know queue side, where flow-open is": lambda r: r.hdel(P + "workflow:flow", "queue:side"),
    "workflow:flow counts 2 of finished, and there are 1": lambda r: r.hset(P + "workflow:flow", "finished", 2),
    "workflow:flow counts 0 of function:samples.anything, and there are 1": lambda r: r.hset(
        P + "workflow:flow", "function:samples.anything", 0
    ),
    "workflow:flow counts 0 of function:samples.xxx": lambda r: r.hdel(
        P + "workflow:flow", "function:samples." + "x" * 100
    ),
    "cascades holds cancel:gone, and there is no such workflow": lambda r: r.zadd(P + "cascades", {"cancel:gone": 0}),
    "cascades holds cancel-all:flow at 4, and the last": lambda r: r.zadd(P + "cascades", {"cancel-all:flow": 4}),
    "cascades holds novel:flow, which does not exist": lambda r: r.zadd(P + "cascades", {"novel:flow": 0}),
    "durations holds '1' of samples.anything": lambda r: r.hset(P + "durations", "samples.anything", 1),
}  # fmt: skip


def gate_of_spawner(client: Redis) -> str:
    return client.hget(P + "job:spawner", "spawning").decode()


def forget(client: Redis, job_id: str) -> None:
    for key in client.keys(f"{P}*:{job_id}"):
        client.delete(key)
    client.zrem(f"{P}finished:default", job_id)
    client.zrem(f"{P}started:default", job_id)


@pytest.mark.parametrize("violation", DISORDER)
def test_disorder_is_found_and_named(data: Redis, violation: str):
    wanted = violation.strip().replace("{gate}", gate_of_spawner(data))
    DISORDER[violation](data)
    with pytest.raises(InvariantError) as raised:
        check_invariants(data)
    assert wanted in str(raised.value)


def test_all_violations_are_listed(data: Redis):
    data.set(f"{P}novel", 1)
    data.zadd(f"{P}timers", {"gone": 1})
    with pytest.raises(InvariantError) as raised:
        check_invariants(data)
    assert len(raised.value.violations) == 2
    assert isinstance(raised.value, AssertionError)


def test_a_cascade_under_way_explains_a_register_that_waits(data: Redis):
    data.hset(f"{P}dependencies:deferred", mapping={"finished": "dependency:0:1:", "#0": "all_done:2:0:0:0"})
    data.zadd(f"{P}cascades", {"finished": 0})
    check_invariants(data)
    data.zadd(f"{P}cascades", {"finished": 1})  # it has come by
    with pytest.raises(InvariantError):
        check_invariants(data)


def test_a_dependency_may_be_gone_once_its_end_is_known(data: Redis):
    forget(data, "finished")
    check_invariants(data)


def test_a_later_job_may_have_the_id_of_one_that_is_gone(data: Redis):
    forget(data, "finished")
    Queue(connection=data).enqueue(samples.anything, job_id="finished")
    check_invariants(data)


def test_what_is_being_deleted_may_have_lost_some_of_its_dependencies(data: Redis):
    data.hdel(f"{P}dependencies:deferred", "finished")
    data.zrem(f"{P}dependents:finished", "deferred")
    with pytest.raises(InvariantError):
        check_invariants(data)
    data.hset(f"{P}job:deferred", "unlinked", "7")
    check_invariants(data)


def test_jobs_of_a_graph_that_is_given_up_go_in_no_order(data: Redis):
    forget(data, "closed-1")
    data.zrem(f"{P}gate:closed", "closed-1")
    with pytest.raises(InvariantError, match="job closed-2: is created, and waits for closed-1"):
        check_invariants(data)
    data.zadd(f"{P}gate:closed", {"#": 0})
    check_invariants(data)


def test_that_a_job_lives_again_is_told_apart_from_how_jobs_end(data: Redis):
    data.zadd(f"{P}cascades", {"started": 0})
    with pytest.raises(InvariantError, match="cascades holds started"):
        check_invariants(data)
    data.zrem(f"{P}cascades", "started")
    data.zadd(f"{P}reopenings", {"started": 0})
    with pytest.raises(InvariantError, match="started: is in reopenings, and its hash says otherwise"):
        check_invariants(data)
    data.hset(f"{P}job:started", "reopening", 1)
    check_invariants(data)


def test_a_wake_marker_may_be_missing_only_while_a_worker_looks(data: Redis):
    data.delete(f"{P}wake:default")
    check_invariants(data)
    check_invariants(data, quiet=True)  # the queue is paused
    data.hdel(f"{P}queue-meta:default", "paused")
    with pytest.raises(InvariantError, match="has jobs to claim, and no wake marker"):
        check_invariants(data, quiet=True)
    started = data.zcard(f"{P}started:default")
    data.hset(f"{P}queue-meta:default", "limit", started)
    check_invariants(data, quiet=True)  # there is no room for another
    data.hset(f"{P}queue-meta:default", "limit", started - 1)
    check_invariants(data, quiet=True)  # a limit may have been lowered
    data.hset(f"{P}queue-meta:default", "limit", started + 1)
    with pytest.raises(InvariantError, match="has jobs to claim, and no wake marker"):
        check_invariants(data, quiet=True)


def test_who_spawned_a_job_may_run_again_and_join_it_no_more(data: Redis):
    data.zadd(f"{P}dependents:given", {"failed": 9})
    data.hset(f"{P}job:given", "linked", 9)
    with pytest.raises(InvariantError, match="dependents:given holds failed, which does not depend on it"):
        check_invariants(data)
    data.hset(f"{P}job:given", "spawned_by", "failed")
    check_invariants(data)


def test_what_is_spawned_for_an_attempt_that_is_lost_is_given_up_in_time(data: Redis):
    data.hdel(f"{P}job:spawner", "spawning")
    data.hincrby(f"{P}job:spawner", "fence", 1)
    check_invariants(data)


def test_members_may_come_before_their_workflow_s_own_job_while_their_graph_is_not_whole(data: Redis):
    data.hset(f"{P}job:closed-1", "workflow", "coming")
    data.zadd(f"{P}workflow-jobs:coming", {"closed-1": 1})
    fields = {"entered": 1, "created": 1, "function:samples.anything": 1, "queue:default": 1}
    data.hset(f"{P}workflow:coming", mapping=fields)
    check_invariants(data)
