"""What ``rqdeps doctor`` finds in the data: each finding, brought about, and none where all is well.

The server is of its own: those of the other tests keep nothing on disk, which would be a finding.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import growing
import pytest
import servers
import steps
from by_hand import LEASE_MS, HandWorker
from click.testing import CliRunner
from meter import MOST_COMMANDS, Meter
from processes import Meeting, worker_process
from redis import Redis
from terminals import Terminal, run

import rqdeps.cli.doctor
import rqdeps.doctor.data_facts
import rqdeps.doctor.data_workers
import rqdeps.doctor.leftovers
import rqdeps.doctor.look
import rqdeps.doctor.server
import rqdeps.store.store
from rqdeps import Queue, SimpleWorker, Workflow
from rqdeps.cli import main
from rqdeps.cli.configured import Setting
from rqdeps.doctor import Finding, Level, look_around
from rqdeps.here import patience_for
from rqdeps.store import Keys
from rqdeps.store.calls import checkups, upkeep
from rqdeps.store.scripts import BUDGET, script
from rqdeps.version import __version__

WARNING, PROBLEM = Level.WARNING, Level.PROBLEM

A_DAY = 86_400_000


@pytest.fixture(scope="module")
def server() -> Iterator[servers.LastingServer]:
    try:
        with servers.lasting(servers.VALKEY_9) as server:
            yield server
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def client(server: servers.LastingServer) -> Redis:
    server.client.flushall()
    return server.client


@pytest.fixture
def q(client: Redis) -> Queue:
    return Queue("work", connection=client)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, ["work"])


@pytest.fixture(autouse=True)
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes by itself here, but for what a test has pass; and nothing is found of a machine under load."""
    monkeypatch.setattr(rqdeps.doctor.look, "PAUSE", 0)
    monkeypatch.setattr("rqdeps.worker_info.ALIVE_MS", 60_000)
    monkeypatch.setattr(rqdeps.doctor.data_workers, "LATE_MS", 60_000)
    monkeypatch.setattr(rqdeps.doctor.server, "SLOW_SCRIPT_MS", math.inf)
    monkeypatch.setattr(rqdeps.doctor.server, "SLOW_COMMAND_MS", math.inf)
    monkeypatch.delenv("RQDEPS_URL", raising=False)


@pytest.fixture
def look(server: servers.LastingServer) -> Callable[..., dict[str, Finding]]:
    """What is found, by the names of the checks."""
    return lambda **options: {finding.check: finding for finding in look_around(server.url, **options)}


@pytest.fixture
def trouble(look: Callable[..., dict[str, Finding]]) -> Callable[..., dict[str, Finding]]:
    """What is found that asks for something to be done."""

    def found(**options: Any) -> dict[str, Finding]:
        return {name: finding for name, finding in look(**options).items() if finding.is_trouble}

    return found


Look = Callable[..., dict[str, Finding]]


def beat(q: Queue, *queues: str, name: str = "alive", version: str = __version__) -> None:
    """A worker is there, and does what time brings."""
    facts: dict[str, Any] = {"queues": " ".join(queues or ["work"]), "processes": 1, "version": version, "pid": 7}
    q.store.run(upkeep.beat(name, facts))
    q.store.run(upkeep.maintain(sorted({q.name, *queues}), lease_ms=LEASE_MS))


def set_age(client: Redis, key: str, member: str, ms: float) -> None:
    """What stands in a registry has stood there for so long, or been due for so long."""
    client.zadd(f"{{rqdeps}}:{key}", {member: time.time() * 1000 - ms})


def told(found: dict[str, Finding]) -> dict[str, Level]:
    return {name: finding.level for name, finding in found.items()}


# All is well


def test_a_deployment_whose_jobs_run_has_nothing_found(
    server: servers.LastingServer, q: Queue, look: Look, meeting: Meeting
):
    with worker_process(server.url, "--processes", "2", "--log-level", "warning") as worker:
        running = q.enqueue(steps.meet, *meeting.args)
        meeting.wait()
        after = q.enqueue(steps.nothing, depends_on=running)
        q.enqueue_in(3600, steps.nothing)
        q.options(hold=True).enqueue(steps.nothing)
        q.enqueue(growing.spawn_nested).wait(timeout=20)
        failed = q.enqueue(steps.boom)
        assert failed.has_ended_within(patience_for(failed, 20))
        with Workflow("nightly", queue=q) as flow:
            flow.enqueue(steps.nothing, depends_on=after)
        found = look()
        meeting.let_go()
        assert flow.wait(timeout=20)
        worker.terminate()
        assert worker.wait() == 0
    assert {name for name, finding in found.items() if finding.level is not Level.OK} == set()
    assert "1 worker alive" in found["workers"].text
    assert "2 jobs waiting" in found["deferred jobs"].text


def test_without_jobs_there_need_not_be_workers(q: Queue, look: Look, trouble: Look):
    assert trouble() == {}
    job = q.enqueue(steps.nothing)
    SimpleWorker(q).work(burst=True)
    assert job.is_finished
    assert trouble() == {}
    assert trouble(full=True) == {}
    assert look(full=True)["invariants"].level is Level.OK


def test_what_has_passed_at_a_second_look_is_not_told(
    client: Redis, q: Queue, trouble: Look, monkeypatch: pytest.MonkeyPatch
):
    job = q.enqueue(steps.nothing)
    client.set("{rqdeps}:payload:gone", "j1")
    assert told(trouble()) == {"workers": PROBLEM, "keys": WARNING}

    def come_and_go(seconds: float) -> None:
        beat(q)
        client.delete("{rqdeps}:payload:gone")

    monkeypatch.setattr(rqdeps.doctor.look.time, "sleep", come_and_go)
    assert trouble() == {}
    assert job.is_queued


# Nobody is there


def test_jobs_without_any_worker_are_a_problem(q: Queue, trouble: Look):
    q.enqueue(steps.nothing)
    Queue("other", connection=q.connection).enqueue_in(60, steps.nothing)
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("workers", PROBLEM)
    assert finding.text.startswith("none is alive, and 2 jobs have not ended")
    assert finding.command == ["worker", "other", "work"]


def test_a_queue_that_no_worker_serves_is_a_problem_and_so_are_those_that_wait_for_its_jobs(q: Queue, trouble: Look):
    reports = Queue("reports", connection=q.connection)
    first = reports.enqueue(steps.nothing)
    second = q.enqueue(steps.nothing, depends_on=first)
    q.enqueue(steps.nothing, depends_on=second)
    beat(q)
    (finding,) = trouble().values()
    assert (finding.check, finding.level, finding.command) == ("queues", PROBLEM, ["worker", "reports"])
    assert finding.text.startswith("reports: 1 job waiting, for which 2 others wait, and no worker")
    beat(q, "reports", "work")
    assert trouble() == {}


def test_a_paused_queue_with_jobs_is_pointed_out(q: Queue, trouble: Look):
    q.pause()
    beat(q)
    assert trouble() == {}
    q.enqueue(steps.nothing)
    (finding,) = trouble().values()
    assert (finding.check, finding.level, finding.command) == ("queues", WARNING, ["queue", "resume", "work"])
    assert finding.text == "work: paused, with 1 job waiting"


def test_a_limit_whose_places_lost_workers_have_is_pointed_out(q: Queue, hands: HandWorker, trouble: Look):
    q.limit(1)
    q.enqueue(steps.nothing)
    q.enqueue(steps.nothing)
    hands.claim(1)
    beat(q, name="hand")
    assert trouble() == {}
    beat(q)
    q.store.run(upkeep.depart("hand"))
    (finding,) = trouble().values()
    assert (finding.check, finding.level, finding.command) == ("queues", WARNING, ["queue", "limit", "work", "2"])
    assert "at most 1 at once, and 1 place taken by workers that give no sign of life (hand)" in finding.text


def test_workers_that_fell_silent_are_named_with_what_they_hold(
    client: Redis, q: Queue, hands: HandWorker, trouble: Look
):
    q.enqueue(steps.nothing)
    beat(q, name="hand")
    hands.claim(1)
    beat(q)
    client.hincrby("{rqdeps}:worker:hand", "beat_at", -90_000)
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("silent worker", WARNING)
    assert "hand gave its last sign of life 1 m 3" in finding.text
    assert "it holds 1 job," in finding.text


def test_workers_of_other_releases_are_pointed_out(q: Queue, trouble: Look):
    beat(q)
    beat(q, name="old", version="0.0.1")
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("versions", WARNING)
    assert "old (0.0.1)" in finding.text


def test_a_worker_of_a_queue_whose_name_looks_mistyped_is_pointed_out(q: Queue, trouble: Look):
    reports = Queue("reports", connection=q.connection)
    reports.pause()  # so that its name is known
    q.enqueue(steps.nothing).cancel()
    beat(q, "work", "low")
    assert trouble() == {}, "it will have jobs one day"
    beat(q, "work", "reprots")
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("unknown queue", WARNING)
    assert "serves reprots, into which nothing was ever enqueued; is reports meant?" in finding.text


# What time should have brought


def test_leases_that_are_over_are_a_problem(client: Redis, q: Queue, hands: HandWorker, trouble: Look):
    q.enqueue(steps.nothing)
    (job_id,) = hands.claim(1)
    set_age(client, "started:work", job_id, 600_000)
    found = trouble()
    assert told(found) == {"workers": PROBLEM, "leases": PROBLEM}
    assert "nobody is there to take them back" in found["leases"].text
    beat(q, name="other")
    set_age(client, "started:work", job_id, 600_000)
    assert "the leases are over" in trouble()["leases"].text


def test_scheduled_jobs_that_nobody_queues_are_a_problem(client: Redis, q: Queue, trouble: Look):
    job = q.enqueue_in(3600, steps.nothing)
    beat(q)
    assert trouble() == {}
    set_age(client, "scheduled:work", job.id, 600_000)
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("overdue", PROBLEM)
    assert "1 scheduled job should have been queued by now, the first 10 m 0" in finding.text


def test_times_to_live_that_nobody_looks_after_are_pointed_out(client: Redis, q: Queue, trouble: Look):
    job = q.enqueue(steps.nothing, ttl=3600)
    beat(q)
    assert trouble() == {}
    set_age(client, "timers", job.id, 600_000)
    assert told(trouble()) == {"overdue": WARNING}


def test_workers_that_live_and_look_after_nothing_are_a_problem(client: Redis, q: Queue, trouble: Look):
    beat(q)
    client.hincrby("{rqdeps}:beat", "at", -600_000)
    assert told(trouble()) == {"upkeep": PROBLEM}


def test_a_clock_behind_what_it_has_shown_is_pointed_out(client: Redis, q: Queue, trouble: Look):
    beat(q)
    client.hincrby("{rqdeps}:beat", "latest", 60_000)
    assert told(trouble()) == {"clock gone back": WARNING}


def test_news_that_nobody_carries_on_is_found_and_what_moves_is_not(
    client: Redis, q: Queue, trouble: Look, monkeypatch: pytest.MonkeyPatch
):
    client.zadd("{rqdeps}:cascades", {"some": 1})
    assert told(trouble()) == {"news": WARNING}
    q.store.run(upkeep.beat("alive", {"queues": "work"}))
    client.hset("{rqdeps}:beat", "at", int(time.time() * 1000))
    assert told(trouble()) == {"news": PROBLEM}
    monkeypatch.setattr(rqdeps.doctor.look.time, "sleep", lambda _: client.zadd("{rqdeps}:cascades", {"some": 2}))
    assert trouble() == {}


def test_a_graph_that_never_came_whole_is_found_once_its_time_is_over(
    client: Redis, q: Queue, hands: HandWorker, trouble: Look
):
    q.enqueue(steps.nothing)
    (job_id,) = hands.claim(1)
    plan = hands.stage(job_id, [growing_job()], [])
    beat(q)
    assert trouble() == {}
    client.zadd("{rqdeps}:gates", {plan.gate: 1})
    assert trouble() == {}, "its attempt goes on"
    hands.finish(job_id)
    client.zadd("{rqdeps}:gates", {plan.gate: 1})
    assert told(trouble()) == {"graphs": WARNING}


def growing_job() -> Any:
    return Queue.prepare_data(steps.nothing).new_job("work")


# Jobs that wait


def test_held_jobs_are_told_and_pointed_out_once_they_have_been_held_for_long(
    client: Redis, q: Queue, look: Look, trouble: Look
):
    beat(q)
    held = q.options(hold=True).enqueue(steps.nothing)
    assert look()["held jobs"].level is Level.OK
    set_age(client, "created:work", held.id, 2 * 3_600_000)
    assert trouble() == {}
    waiting = q.enqueue(steps.nothing, depends_on=held)
    (finding,) = trouble().values()
    assert (finding.check, finding.level, finding.command) == ("held jobs", WARNING, ["cancel", held.id])
    assert "1 job held, the oldest for 2 h 00 m" in finding.text
    assert "1 other waits for such" in finding.text
    waiting.delete()
    set_age(client, "created:work", held.id, 2 * A_DAY)
    assert told(trouble()) == {"held jobs": WARNING}


def test_a_deferred_job_that_nothing_will_release_is_a_problem(client: Redis, q: Queue, trouble: Look):
    first = q.options(hold=True).enqueue(steps.nothing)
    second = q.enqueue(steps.nothing, depends_on=first)
    third = q.enqueue(steps.nothing, depends_on=second)
    beat(q)
    assert trouble() == {}
    # As no release of rqdeps leaves it: the end has been told to nobody, and nobody is to tell it.
    client.zrem("{rqdeps}:created:work", first.id)
    client.zadd("{rqdeps}:canceled:work", {first.id: time.time() * 1000 + A_DAY})
    client.hset(f"{{rqdeps}}:job:{first.id}", "status", "canceled")
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("deferred jobs", PROBLEM)
    assert f"1 job that nothing will release, though all that they wait for has ended: {second.id}" in finding.text
    client.zadd("{rqdeps}:cascades", {first.id: 0})
    assert "deferred jobs" not in trouble(), "somebody is to tell it"
    assert third.is_deferred


def test_what_many_wait_for_is_found_at_the_top_of_a_long_chain(q: Queue, look: Look):
    held = q.options(hold=True).enqueue(steps.nothing)
    chain = [Queue.prepare_data(steps.nothing, depends_on=held)]
    for _ in range(2 * BUDGET):
        chain.append(Queue.prepare_data(steps.nothing, depends_on=chain[-1]))
    jobs = q.enqueue_many(chain)
    beat(q)
    assert "50 others wait for such" in look()["held jobs"].text
    found = q.store.run(checkups.awaited([jobs[-1].id]))
    assert found[jobs[-1].id].other == jobs[-2].id
    assert 1 < len(found) < len(jobs), "one call goes as far as its budget does"


def test_a_fallback_that_may_run_is_what_those_below_wait_for(q: Queue, hands: HandWorker, look: Look):
    job = q.enqueue(steps.boom, fallback=steps.nothing)
    below = q.enqueue(steps.nothing, depends_on=job)
    hands.fail(*hands.claim(1))
    beat(q)
    found = q.store.run(checkups.awaited([below.id, "nobody"]))
    assert found[below.id].other == job.fallback_id
    assert found["nobody"].status == ""
    assert look()["deferred jobs"].level is Level.OK


def test_failed_jobs_are_told_with_what_most_of_them_failed_with(q: Queue, look: Look, trouble: Look):
    for number in range(12):
        q.enqueue(steps.boom, "often" if number % 4 else "seldom")
    worker = SimpleWorker(q)
    worker.work(burst=True, max_jobs=5)
    finding = look()["failed jobs"]
    assert finding.level is Level.OK
    assert finding.text == "5 jobs failed, 5 within the last hour; mostly (3 of the last 5): ValueError: often"
    SimpleWorker(q).work(burst=True)
    (finding,) = trouble().values()
    assert (finding.check, finding.level, finding.command[0]) == ("failed jobs", WARNING, "job")
    assert "12 jobs failed" in finding.text


def test_jobs_that_nothing_above_can_bring_back_are_pointed_out(q: Queue, hands: HandWorker, trouble: Look):
    bad = q.enqueue(steps.boom)
    below = q.enqueue(steps.nothing, depends_on=bad)
    hands.fail(*hands.claim(1))
    assert below.get_status() == "upstream_failed"
    assert trouble() == {}
    bad.delete()
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("upstream_failed", WARNING)
    assert finding.command == ["requeue", "--force", below.id]


# What lies about

ORPHANS = {
    *("payload:gone", "result:gone", "log:gone", "dependencies:gone", "joins:gone", "gate:gone", "group:gone"),
    *("workflow:gone", "worker:gone", "inbox:gone", "queue-meta:gone", "failed:gone", "job:gone"),
    *("unheard-of", "unheard:of"),
}


@pytest.mark.parametrize("name", sorted(ORPHANS))
def test_a_key_that_belongs_to_nobody_is_pointed_out(client: Redis, trouble: Look, name: str):
    client.hset(f"{{rqdeps}}:{name}", "status", "failed")
    client.set("{rqdeps2}:another", "deployment")
    client.set("another", "program")
    (finding,) = trouble().values()
    assert (finding.check, finding.level) == ("keys", WARNING)
    assert finding.text.endswith(f"1 key in use by no job, queue or worker: {{rqdeps}}:{name}")
    assert f"redis-cli UNLINK '{{rqdeps}}:{name}'" in finding.advice


def test_every_key_of_a_deployment_belongs_to_somebody(
    client: Redis, q: Queue, hands: HandWorker, look: Look, server: servers.LastingServer
):
    q.enqueue(growing.spawn_nested)
    SimpleWorker(q).work(burst=True)
    failed = q.enqueue(steps.boom, meta={"who": "x" * 100}, description="y" * 100, fallback=steps.nothing)
    q.enqueue(steps.echo, failed.output)
    hands.fail(*hands.claim(1))
    with Workflow("nightly", queue=q) as flow:
        flow.enqueue(steps.nothing)
    q.enqueue_many([q.prepare_data(steps.nothing, ttl=60)], group_id="group")
    hands.claim(1)
    hands.stage(next(iter(hands.held)), [growing_job()], [])
    beat(q)
    finding = look()["keys"]
    assert finding.level is Level.OK, finding.text
    assert finding.text == f"{client.dbsize()} keys looked at, all of them in use"


def test_only_some_of_very_many_keys_are_looked_at_unless_all_are_wanted(
    client: Redis, look: Look, trouble: Look, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rqdeps.doctor.leftovers, "PAGES", 1)
    monkeypatch.setattr("rqdeps.store.server_facts.PLACES_PER_SCAN", 10)
    client.mset({f"{{rqdeps}}:payload:{number}": "" for number in range(300)})
    assert "of the first 500 on the server (--full looks at all)" in trouble()["keys"].text
    monkeypatch.setattr(rqdeps.doctor.leftovers, "PAGES", 1_000)
    monkeypatch.setattr(rqdeps.doctor.leftovers, "SECONDS", 0)
    assert "of the first 500 on the server" in trouble()["keys"].text
    assert "300 keys in use by no job" in look(full=True)["keys"].text


def test_data_that_contradicts_itself_is_found_by_a_full_look_alone(client: Redis, q: Queue, trouble: Look):
    job = q.options(hold=True).enqueue(steps.nothing)
    client.hset(f"{{rqdeps}}:job:{job.id}", "epoch", "0")
    assert trouble() == {}
    (finding,) = trouble(full=True).values()
    assert (finding.check, finding.level) == ("invariants", PROBLEM)
    assert finding.text == f"job {job.id}: its epoch is '0'"


# What it costs


def test_no_call_costs_more_than_the_budget_and_nothing_is_written(
    client: Redis, q: Queue, server: servers.LastingServer, monkeypatch: pytest.MonkeyPatch
):
    held = q.options(hold=True).enqueue(steps.nothing)
    top = [Queue.prepare_data(steps.nothing, depends_on=held) for _ in range(BUDGET)]
    q.enqueue_many([*top, Queue.prepare_data(steps.nothing, depends_on=top)])
    q.enqueue_many([Queue.prepare_data(steps.nothing) for _ in range(2 * BUDGET)])
    for number in range(100):
        Queue(f"queue-{number}", connection=client).enqueue(steps.nothing)
    before = client.dbsize(), client.lastsave(), client.info("persistence")["rdb_changes_since_last_save"]
    meter = Meter()
    monkeypatch.setattr(
        rqdeps.store.store,
        "evaluate",
        lambda connection, calls, keys: [meter.evaluate(connection, [call], keys)[0] for call in calls],
    )
    assert {finding.check for finding in look_around(server.url)} > {"queues", "keys"}
    assert (client.dbsize(), client.lastsave(), client.info("persistence")["rdb_changes_since_last_save"]) == before
    assert meter.most[0] <= MOST_COMMANDS, meter.most


@pytest.mark.parametrize("budget", [2, 50])
def test_what_exceeds_the_budget_of_a_call_is_asked_in_the_next(
    q: Queue, look: Look, monkeypatch: pytest.MonkeyPatch, budget: int
):
    held = q.options(hold=True).enqueue(steps.nothing)
    wide = [q.enqueue(steps.nothing, depends_on=held) for _ in range(20)]
    q.enqueue(steps.nothing, depends_on=wide)
    beat(q)
    monkeypatch.setattr(rqdeps.store.store, "script", partial(script, budget=budget))
    assert look()["held jobs"].text.endswith("21 others wait for such" if budget > 2 else "for such")


# How it is shown


def test_each_check_is_a_line_with_the_command_to_give_below(server: servers.LastingServer, q: Queue):
    q.enqueue(steps.nothing)
    result = run("doctor", "--url", server.url)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line for line in lines if line and line[0].isalpha() and len(line.split()) == 1] == [
        *("Configuration", "Server", "Data")
    ]
    assert f"✔  url              {server.url} (--url)" in lines
    at = next(number for number, line in enumerate(lines) if line.startswith("✖  workers"))
    assert lines[at + 1 : at + 3] == ["    Start a worker:", f"    rqdeps worker work --url {server.url}"]
    assert lines[-1] == "1 problem."


def test_warnings_alone_leave_the_exit_code_0(server: servers.LastingServer, q: Queue, client: Redis):
    client.set("{rqdeps}:payload:gone", "j1")
    result = run("doctor", "--url", server.url)
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "1 warning.")
    client.delete("{rqdeps}:payload:gone")
    result = run("doctor", "--url", server.url)
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "Nothing found.")


def test_as_json_it_says_the_same(server: servers.LastingServer, q: Queue):
    q.enqueue(steps.nothing)
    result = run("doctor", "--json", "--url", server.url)
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert all(finding.keys() == {"section", "check", "level", "text", "advice"} for finding in found)
    assert {finding["section"] for finding in found} == {"configuration", "server", "data"}
    (problem,) = (finding for finding in found if finding["level"] == "problem")
    assert problem["advice"] == f"Start a worker: rqdeps worker work --url {server.url}"


def test_a_key_s_name_can_t_move_the_cursor(server: servers.LastingServer, client: Redis):
    client.set("{rqdeps}:payload:\x1b[2J\n", "j1")
    output = run("doctor", "--url", server.url).output
    assert "\x1b" not in output
    assert "{rqdeps}:payload:\\x1b[2J\\n" in output


def test_on_a_terminal_lines_fit_and_commands_stay_whole(server: servers.LastingServer, q: Queue):
    q.enqueue(steps.nothing)
    with Terminal("doctor", "--url", server.url, columns=60, PYTHONIOENCODING="utf-8") as terminal:
        assert terminal.end() == 1
        assert "\x1b[32m✔" in terminal.written
        command = f"    rqdeps worker work --url {server.url}"
        assert command in terminal.lines
        assert all(len(line) <= 60 for line in terminal.lines if line != command)


def test_where_marks_can_t_be_shown_letters_stand_in_their_place(server: servers.LastingServer, q: Queue):
    output = CliRunner(charset="ascii").invoke(main, ["doctor", "--url", server.url]).output
    assert f"ok url              {server.url}" in output
    assert output.isascii()


def test_what_is_wrong_with_a_setting_is_told_and_what_counts_instead(
    server: servers.LastingServer, q: Queue, monkeypatch: pytest.MonkeyPatch
):
    found = [
        Setting("url", "redis://here", "--url"),
        Setting("RQDEPS_URL", "redis://there", "environment", "--url"),
        Setting("RQDEPS_ULR", "set", "environment", problem="no variable of rqdeps: did you mean RQDEPS_URL?"),
        Setting("[tool.rqdeps.worker] processes", "many", "pyproject.toml", "$RQDEPS_WORKER_PROCESSES", "no number"),
    ]
    monkeypatch.setattr(rqdeps.cli.doctor, "settings_in_effect", lambda context: found)
    result = run("doctor", "--url", server.url)
    assert result.exit_code == 1
    assert result.output.splitlines()[1:8] == [
        "✔  url              redis://here (--url)",
        "✔  RQDEPS_URL       redis://there (environment; --url counts instead)",
        "✖  RQDEPS_ULR       set (environment): no variable of rqdeps: did you mean RQDEPS_URL?",
        "    Correct it, or take it away.",
        "!  [tool.rqdeps.worker] processes many (pyproject.toml; $RQDEPS_WORKER_PROCESSES counts instead): no number",
        "    Correct it, or take it away.",
        "",
    ]


def test_where_it_looks_is_told_with_why(server: servers.LastingServer, q: Queue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RQDEPS_URL", server.url)
    assert f"{server.url} ($RQDEPS_URL)" in run("doctor").output


def test_a_namespace_is_matched_as_it_stands() -> None:
    """No character that a namespace may have means something in a pattern of ``SCAN``."""
    assert not set(Keys("A-z0.9_/").prefix) & set("*?[]\\^")
