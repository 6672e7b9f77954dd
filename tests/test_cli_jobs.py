"""``rqdeps jobs``, ``workers``, ``enqueue``, ``queue list``, and changes of all jobs that options choose."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples
import steps
from by_hand import HandWorker
from click import termui
from click.testing import CliRunner, Result
from every_status import claim_until
from redis import Redis
from terminals import Terminal, process, run

from rqdeps import Dependency, Fallback, Job, Queue, SimpleWorker, Workflow
from rqdeps.cli import main, watching
from rqdeps.cli.asking import is_wanted
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.finding import Found, JobFilter, find
from rqdeps.status import JobStatus
from rqdeps.store.calls import finding, upkeep
from rqdeps.store.calls.finding import FoundPage
from rqdeps.store.scripts import BUDGET, script
from rqdeps.store.store import Store

Command = Callable[..., Result]


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture
def other(valkey: Redis) -> Queue:
    return Queue("other", connection=valkey)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, ["work"])


@pytest.fixture
def command(valkey_url: str) -> Command:

    def command(*args: str, answer: str | None = None) -> Result:
        end = args.index("--") if "--" in args else len(args)
        return run(*args[:end], "--url", valkey_url, *args[end:], answer=answer)

    return command


def work(*queues: Queue) -> None:
    SimpleWorker([queue.name for queue in queues], connection=queues[0].store.client).work(burst=True)


def listed(result: Result) -> list[str]:
    """The ids that were listed."""
    assert result.exit_code == 0, result.output
    return result.stdout.split()


# jobs


def test_jobs_lists_what_runs_waits_failed_and_has_finished_in_this_order(
    command: Command, q: Queue, hands: HandWorker
) -> None:
    finished, failed = q.enqueue(steps.nothing), q.enqueue(steps.boom, "disk full")
    work(q)
    running = q.enqueue(steps.add, 1, 2)
    claim_until(hands, running.id)
    queued = q.enqueue(samples.anything)
    deferred = q.enqueue(steps.nothing, depends_on=queued)
    head, *rows = command("jobs").stdout.splitlines()
    assert head.split() == ["id", "status", "for", "queue", "function", "about"]
    assert [row.split()[:2] for row in rows] == [
        [running.id, "started"],
        [queued.id, "queued"],
        [deferred.id, "deferred"],
        [failed.id, "failed"],
        [finished.id, "finished"],
    ]
    assert rows[0].endswith("work   steps.add         on hand")
    assert rows[3].endswith("steps.boom        ValueError: disk full")


def test_jobs_says_so_if_there_is_none(command: Command, q: Queue) -> None:
    assert command("jobs").stdout == "No such job.\n"
    assert command("jobs", "--json").stdout == "[]\n"
    assert command("jobs", "--ids").stdout == ""


def test_jobs_as_json_tells_all_that_is_known_without_asking_for_each(command: Command, q: Queue) -> None:
    with Workflow("nightly", queue=q) as nightly:
        failed = nightly.options(description="the disk").enqueue(steps.boom, "disk full")
    work(q)
    own, one = json.loads(command("jobs", "--json", "-q", "work").stdout)[::-1]
    assert one["since"] == one["ended_at"] >= one["started_at"] >= one["created_at"]
    for name in ("since", "ended_at", "started_at", "created_at", "worker"):
        assert one.pop(name)
    assert one == {
        "id": failed.id,
        "status": "failed",
        "queue": "work",
        "function": "steps.boom",
        "description": "the disk",
        "attempt": 1,
        "workflow": nightly.id,
        "error": "ValueError: disk full",
    }
    assert (own["id"], own["function"], own["description"]) == (nightly.id, None, "nightly")


@pytest.fixture
def many(q: Queue, other: Queue) -> dict[str, Job[Any]]:
    """Jobs of two queues, with several functions and errors."""
    jobs = {
        "nothing": q.enqueue(steps.nothing),
        "full": q.enqueue(steps.boom, "Disk FULL"),
        "away": q.enqueue(steps.boom, "server away"),
        "other": other.enqueue(steps.boom, "disk full"),
    }
    work(q, other)
    jobs["waits"] = other.enqueue(samples.anything)
    jobs["canceled"] = q.enqueue(steps.nothing)
    jobs["canceled"].cancel()
    jobs["skipped"] = q.enqueue(steps.nothing)
    jobs["skipped"].skip()
    return jobs


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["waits", "other", "away", "full", "canceled", "skipped", "nothing"]),
        (["-q", "other"], ["waits", "other"]),
        (["-q", "other", "-q", "none"], ["waits", "other"]),
        (["-s", "failed"], ["other", "away", "full"]),
        (["-s", "queued", "-s", "canceled"], ["waits", "canceled"]),
        (["-s", "failed", "-q", "work"], ["away", "full"]),
        (["-f", "BOOM"], ["other", "away", "full"]),
        (["-f", "steps."], ["other", "away", "full", "canceled", "skipped", "nothing"]),
        (["-f", "%"], []),
        (["-e", "disk full"], ["other", "full"]),
        (["-e", "valueerror: server"], ["away"]),
        (["-e", "a person had it skipped"], ["skipped"]),
        (["--newer", "1h", "-s", "failed"], ["other", "away", "full"]),
        (["--older", "1h"], []),
        (["--older", "0", "-s", "queued"], ["waits"]),
        (["--newer", "1h", "--older", "59m"], []),
        (["--most", "2"], ["waits", "other"]),
        (["--most", "2", "-s", "failed", "-q", "work"], ["away", "full"]),
        (["--most", "none", "-s", "failed"], ["other", "away", "full"]),
    ],
)
def test_jobs_are_chosen_by_what_they_have_in_common(
    command: Command, many: dict[str, Job[Any]], options: list[str], names: list[str]
) -> None:
    assert listed(command("jobs", "--ids", *options)) == [many[name].id for name in names]


def test_age_goes_by_the_time_since_a_job_came_into_its_status(valkey: Redis, q: Queue, command: Command) -> None:
    long_queued, long_deferred, fresh = (q.enqueue(steps.nothing) for _ in range(3))
    long_deferred.add_dependency(fresh)
    seconds, _ = valkey.time()
    hour_ago = (int(seconds) - 3600) * 1000
    valkey.hset(f"{{rqdeps}}:job:{long_queued.id}", "enqueued_at", hour_ago)
    valkey.zadd("{rqdeps}:deferred:work", {long_deferred.id: hour_ago})
    assert listed(command("jobs", "--ids", "--older", "30m")) == [long_queued.id, long_deferred.id]
    assert listed(command("jobs", "--ids", "--newer", "30m")) == [fresh.id]


def test_what_does_not_fit_is_said(command: Command, q: Queue) -> None:
    jobs = [q.enqueue(steps.nothing) for _ in range(5)]
    result = command("jobs", "--ids", "--most", "2")
    assert listed(result) == [job.id for job in jobs[:2]]
    assert result.stderr == "These are the first 2 of 5; --most shows more, and options choose among them.\n"
    result = command("jobs", "--ids", "--most", "2", "-f", "nothing")
    assert result.stderr == "These are the first 2; --most shows more, and options choose among them.\n"
    assert listed(command("jobs", "--ids", "--most", "2", "--latest")) == [jobs[4].id, jobs[3].id]
    assert command("jobs", "--ids", "--most", "5").stderr == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-s", "lost"], "'lost' is not one of 'created'"),
        (["-q", "a b"], "'a b' can't be a queue's name"),
        (["--older", "soon"], "--older must be seconds as a number"),
        (["--newer", "-1"], "--newer can't be '-1'"),
        (["--most", "0"], "'0' is neither a number from 1 up nor none"),
        (["-f", ""], "it is empty: leave it out for any"),
        (["-e", ""], "it is empty: leave it out for any"),
        (["--ids", "--json"], "--ids prints ids once"),
    ],
)
def test_options_that_can_not_be_are_wrong_usage(command: Command, q: Queue, options: list[str], message: str) -> None:
    result = command("jobs", *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_other_letters_than_latin_ones_are_found_as_they_are_written(command: Command, q: Queue) -> None:
    failed = q.enqueue(steps.boom, "ÜBER ALLE MASSEN")
    work(q)
    assert listed(command("jobs", "--ids", "-e", "ÜBER alle")) == [failed.id]


def test_an_error_in_other_letters_is_cut_between_them(command: Command, q: Queue) -> None:
    q.enqueue(steps.boom, "ü" * 1000)
    work(q)
    (job,) = json.loads(command("jobs", "--json").stdout)
    assert set(job["error"].removeprefix("ValueError: ")) == {"ü"}


# Finding, whatever the size


@pytest.fixture
def paged(q: Queue, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A deployment whose calls look at three jobs each."""
    monkeypatch.setattr("rqdeps.store.store.script", lambda name: script(name, budget=6))
    return q.store


def found_by(store: Store, **wanted: Any) -> list[str]:
    found: Found = store.perform(find(JobFilter(**wanted), latest_first=True))
    return [job.id for job in found.jobs]


def test_all_are_found_however_many_pages_it_takes(paged: Store, q: Queue) -> None:
    jobs = [q.enqueue(steps.nothing if i % 3 else samples.anything) for i in range(25)]
    assert found_by(paged) == [job.id for job in reversed(jobs)]
    assert found_by(paged, function="anything") == [job.id for job in reversed(jobs[::3])]
    deferred = [q.enqueue(steps.nothing, depends_on=jobs[0]) for _ in range(25)]
    assert found_by(paged, statuses=(JobStatus.DEFERRED,)) == [job.id for job in reversed(deferred)]


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.DEFERRED])
def test_those_that_stay_are_all_found_while_others_come_and_go(q: Queue, status: JobStatus) -> None:
    above = None if status is JobStatus.QUEUED else q.options(hold=True).enqueue(steps.nothing)
    jobs = [q.enqueue(steps.nothing, depends_on=above) for _ in range(40)]
    going, staying = jobs[::4], [job.id for i, job in enumerate(jobs) if i % 4]
    seen: list[str] = []
    cursor = None
    while cursor != "":
        page = q.store.run(
            finding.find("work", status.value, latest_first=True, most=7, cursor=cursor or "", names=["function"])
        )
        seen += [record.job_id for record in page.jobs]
        cursor = page.cursor
        if going:
            last = seen[-1]
            (next(job for job in going if job.id == last) if last in [job.id for job in going] else going[0]).cancel()
            going = [job for job in going if job.get_status() is status]
        q.enqueue(steps.nothing, depends_on=above)
    assert set(staying) <= set(seen)


def page_of(q: Queue, status: JobStatus, cursor: str, *, latest_first: bool) -> FoundPage:
    return q.store.run(finding.find("work", status.value, latest_first=latest_first, most=10, cursor=cursor))


@pytest.mark.parametrize("latest_first", [True, False])
@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.DEFERRED])
def test_none_that_stays_is_passed_over_if_many_that_were_seen_go_at_once(
    q: Queue, valkey: Redis, status: JobStatus, *, latest_first: bool
) -> None:
    above = None if status is JobStatus.QUEUED else q.options(hold=True).enqueue(steps.nothing)
    for _ in range(40):
        q.enqueue(steps.nothing, depends_on=above)
    page = page_of(q, status, "", latest_first=latest_first)
    seen = {record.job_id for record in page.jobs}
    for job_id in seen:
        Job.fetch(job_id, connection=valkey).cancel()
    q.store.run(upkeep.maintain(["work"], lease_ms=30_000))  # entries that count no longer leave the ends of the list
    while page.cursor:
        page = page_of(q, status, page.cursor, latest_first=latest_first)
        seen |= {record.job_id for record in page.jobs}
    assert len(seen) == 40


def test_none_is_passed_over_because_the_one_seen_last_moves_to_the_end(q: Queue, valkey: Redis) -> None:
    above = q.options(hold=True).enqueue(steps.nothing)
    for _ in range(40):
        q.enqueue(steps.nothing, depends_on=above)
    page = page_of(q, JobStatus.DEFERRED, "", latest_first=False)
    seen = {record.job_id for record in page.jobs}
    valkey.zincrby("{rqdeps}:deferred:work", 3_600_000, page.jobs[-1].job_id)  # as a lease does that is renewed
    while page.cursor:
        page = page_of(q, JobStatus.DEFERRED, page.cursor, latest_first=False)
        seen |= {record.job_id for record in page.jobs}
    assert len(seen) == 40


def test_what_is_to_be_changed_is_looked_for_towards_where_jobs_move_to(q: Queue, hands: HandWorker) -> None:
    first, second = q.enqueue(steps.nothing), q.enqueue(steps.nothing)
    claim_until(hands, second.id)
    queued = [q.enqueue(steps.nothing) for _ in range(2)]
    found: Found = q.store.perform(find(JobFilter(), for_change=True))
    assert [job.id for job in found.jobs] == [first.id, second.id, *(job.id for job in reversed(queued))]


def test_long_errors_cost_more_than_short_ones(q: Queue, other: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(8):
        q.enqueue(steps.boom, "x" * 30_000)
        other.enqueue(steps.boom, "x")
    work(q, other)
    monkeypatch.setattr("rqdeps.store.store.script", lambda name: script(name, budget=40))
    long, short = (
        q.store.run(finding.find(queue, "failed", latest_first=False, most=BUDGET, error="none"))
        for queue in ("work", "other")
    )
    assert (long.cursor == "", short.cursor == "") == (False, True)


def test_no_call_looks_at_more_than_the_budget_allows(q: Queue) -> None:
    q.enqueue_many([Queue.prepare_data(steps.nothing) for _ in range(BUDGET + 10)])
    page = q.store.run(finding.find("work", "queued", latest_first=False, most=BUDGET, function="none"))
    assert page.jobs == []
    assert page.cursor.startswith(f"{BUDGET // 2}:")


# workers and queues


def test_workers_lists_who_is_there_and_what_they_have_done(command: Command, q: Queue, valkey_url: str) -> None:
    assert command("workers").stdout == "No workers. Start one: rqdeps worker\n"
    worker = SimpleWorker(["work", "other"], connection=q.store.client, name="mine")
    seen = q.enqueue(look, ["workers", "--json", "--url", valkey_url])
    elsewhere = q.enqueue(look, ["workers", "--queue", "elsewhere", "--url", valkey_url])
    table = q.enqueue(look, ["workers", "--queue", "other", "--url", valkey_url])
    worker.work(burst=True)
    (one,) = json.loads(seen.result)
    assert (one["name"], one["is_alive"], one["queues"]) == ("mine", True, ["work", "other"])
    assert (one["processes"], one["started"], one["failed"]) == (1, 1, 0)
    assert one["seen"] < 5
    assert elsewhere.result.startswith("No workers.")
    assert table.result.splitlines()[1].startswith("mine    work, other  ")


def look(words):
    """A job that looks around."""
    return run(*words).stdout


def test_queue_list_shows_how_long_the_next_job_has_been_ready(valkey: Redis, command: Command, q: Queue) -> None:
    first, second = q.enqueue(steps.nothing), q.enqueue(steps.nothing)
    Queue("idle", connection=valkey).limit(2)
    seconds, _ = valkey.time()
    valkey.hset(f"{{rqdeps}}:job:{second.id}", "enqueued_at", (int(seconds) - 90) * 1000)
    first.cancel()  # its entry stays for a while, and counts no longer
    states = {state["name"]: state for state in json.loads(command("queue", "list", "--json").stdout)}
    assert 90 <= states["work"]["waits"] < 150
    assert (states["work"]["counts"]["queued"], states["work"]["counts"]["canceled"]) == (1, 1)
    assert (states["idle"]["waits"], states["idle"]["limit"], states["idle"]["is_paused"]) == (None, 2, False)
    head, idle = command("queue", "list", "idle").stdout.splitlines()
    assert head.split() == ["queue", "queued", "started", "finished", "failed", "set", "to"]
    assert idle.endswith("at most 2 at once")


def test_pause_and_resume_take_several_queues_or_all(command: Command, q: Queue, other: Queue) -> None:
    q.enqueue(steps.nothing)
    other.enqueue(steps.nothing)
    assert command("pause", "work", "other", "work").stdout == "work: paused\nother: paused\n"
    assert q.is_paused
    assert other.is_paused
    assert command("resume", "--all").stdout == "other: resumed\nwork: resumed\n"
    assert not q.is_paused
    assert command("queue", "pause", "work").stdout == "work: paused\n"
    for words in ([], ["work", "--all"]):
        result = command("pause", *words)
        assert result.exit_code == 2
        assert "name queues, or say --all" in result.stderr


def test_empty_says_how_many_and_asks(command: Command, q: Queue, other: Queue) -> None:
    jobs = [q.enqueue(steps.nothing) for _ in range(3)]
    below = q.enqueue(steps.nothing, depends_on=jobs[0])
    result = command("empty", "--all", answer="n\n")
    assert "Delete 3 jobs that are ready: work (3)? [y/N]" in result.stderr
    assert (result.exit_code, result.stdout, q.count) == (0, "left as it is\n", 3)
    assert command("empty", "other", "--yes").stdout == "Nothing is ready there.\n"
    assert command("empty", "work", answer="y\n").stdout == "work: 3 jobs deleted\n"
    assert q.count == 0
    assert below.get_status() is JobStatus.CANCELED


def test_without_an_answer_nothing_is_emptied(command: Command, q: Queue) -> None:
    q.enqueue(steps.nothing)
    result = command("empty", "work")
    assert (result.exit_code, q.count) == (1, 1)
    assert "nothing was changed, as nobody answered; --yes does it without a question" in result.stderr


# Changes of many


def test_requeue_gives_those_that_are_chosen_another_life(
    command: Command, many: dict[str, Job[Any]], q: Queue
) -> None:
    result = command("requeue", "-e", "disk full", answer="y\n")
    assert "Requeue 2 jobs (2 failed) of queues other, work? [y/N]" in result.stderr
    assert (result.exit_code, result.stdout) == (0, "2 jobs live again\n")
    assert many["full"].is_queued
    assert many["other"].is_queued
    assert many["away"].is_failed
    assert command("requeue", "--all", "--yes").stdout == "2 jobs live again\n"
    assert many["canceled"].is_queued, "of all, those that failed, were stopped or canceled"
    assert many["nothing"].is_finished
    assert command("requeue", "--all", "--yes").stdout == "No such job.\n"


def test_requeue_with_force_takes_those_that_finished(command: Command, many: dict[str, Job[Any]]) -> None:
    result = command("requeue", "-s", "finished", "--yes", "-q", "work")
    assert (result.exit_code, result.stdout) == (1, "0 jobs live again\n")
    assert result.stderr.startswith("2 jobs left as they are: ")
    result = command("requeue", "-s", "finished", "--yes", "-q", "work", "--force", "--front")
    assert (result.exit_code, result.stdout) == (0, "2 jobs live again\n")
    assert many["nothing"].is_queued


def test_requeue_says_why_some_are_left(command: Command, q: Queue) -> None:
    failed = q.enqueue(steps.boom)
    below = q.enqueue(steps.nothing, depends_on=failed)
    work(q)
    result = command("requeue", "-s", "upstream_failed", "--yes", "--front")
    assert (result.exit_code, result.stdout) == (1, "0 jobs live again\n")
    assert f"1 job left as it is: job '{below.id}' is upstream_failed because of '{failed.id}'" in result.stderr


def test_cancel_ends_all_that_have_not_ended(
    command: Command, many: dict[str, Job[Any]], q: Queue, hands: HandWorker
) -> None:
    running = q.enqueue(steps.nothing)
    claim_until(hands, running.id)
    result = command("cancel", "--all", "--yes")
    assert (result.exit_code, result.stdout) == (0, "2 jobs canceled, or asked to stop\n")
    assert many["waits"].is_canceled
    assert running.is_started


def test_delete_takes_all_that_are_chosen_and_workflows_own_jobs(
    command: Command, many: dict[str, Job[Any]], q: Queue, valkey: Redis
) -> None:
    with Workflow("nightly", queue=q) as nightly:
        nightly.enqueue(steps.nothing)
    assert command("delete", "-s", "failed", "--yes").stdout == "3 jobs deleted\n"
    assert not Job.exists(many["away"].id, connection=valkey)
    assert command("delete", "--all", "--yes").exit_code == 0
    assert command("jobs", "--json").stdout == "[]\n"


def test_delete_of_many_treats_dependents_as_it_is_told(command: Command, q: Queue) -> None:
    above = q.options(hold=True).enqueue(steps.nothing)
    below = q.enqueue(steps.nothing, depends_on=Dependency(above))
    assert command("delete", "-s", "created", "--yes", "--dependents", "release").stdout == "1 job deleted\n"
    assert below.is_queued


def test_skip_treats_all_that_are_chosen_as_finished(command: Command, many: dict[str, Job[Any]]) -> None:
    result = command("skip", "-q", "other", "--yes", "--output", "[1]")
    assert (result.exit_code, result.stdout) == (0, "2 jobs treated as finished\n")
    assert many["waits"].result == many["other"].result == [1]


def test_more_than_one_call_takes_are_changed(command: Command, q: Queue) -> None:
    count = BUDGET + 7
    q.enqueue_many([Queue.prepare_data(steps.nothing) for _ in range(count)])
    assert command("cancel", "-q", "work", "--yes").stdout == f"{count} jobs canceled, or asked to stop\n"
    assert command("requeue", "-q", "work", "--yes").stdout == f"{count} jobs live again\n"
    assert command("delete", "-q", "work", "--yes").stdout == f"{count} jobs deleted\n"
    assert q.store.client.keys("*job:*") == []


@pytest.mark.parametrize("verb", ["requeue", "cancel", "delete", "skip"])
def test_jobs_are_named_or_chosen_and_not_both(
    command: Command, verb: str, many: dict[str, Job[Any]], valkey: Redis
) -> None:
    before = {key: valkey.dump(key) for key in valkey.scan_iter()}
    for words, message in (
        ([], "name jobs, or choose them: by --queue"),
        ([many["away"].id, "--all"], "name jobs, or choose them by options; not both"),
        ([many["away"].id, "-s", "failed"], "name jobs, or choose them by options; not both"),
    ):
        result = command(verb, *words)
        assert result.exit_code == 2
        assert message in result.stderr
    result = command(verb, "-f", "anything", "-q", "none", "-y")
    assert (result.exit_code, result.stdout) == (0, "No such job.\n")
    assert command(verb, "--all", answer="\n").stdout in ("left as they are\n")
    assert {key: valkey.dump(key) for key in valkey.scan_iter()} == before


def test_what_is_configured_for_many_does_not_keep_one_from_being_named(
    command: Command, q: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = q.enqueue(steps.nothing), q.enqueue(steps.nothing)
    monkeypatch.setenv("RQDEPS_CANCEL_QUEUE", "work")
    assert command("cancel", one.id).stdout == f"{one.id}: canceled\n"
    assert other.is_queued
    assert command("cancel", "--yes").stdout == "1 job canceled, or asked to stop\n"


# enqueue


def test_enqueue_reads_text_json_and_outputs(command: Command, q: Queue, valkey: Redis) -> None:
    def enqueue(*words: str) -> Job[Any]:
        result = command("enqueue", "-q", "work", "samples.anything", *words)
        assert result.exit_code == 0, result.output
        return Job.fetch(result.stdout.strip(), connection=valkey)

    first = enqueue("text", ":[1, null]", "name=a=b", "number:=2", "http://a?b=c")
    assert first.args == ("text", [1, None], "http://a?b=c")
    assert first.kwargs == {"name": "a=b", "number": 2}
    second = enqueue(f"@{first.id}", f"of=@{first.id}", "--", "-x")
    assert second.args == (first.output, "-x")
    assert second.kwargs == {"of": first.output}
    assert second.is_deferred


def test_enqueue_takes_options(command: Command, q: Queue, valkey: Redis) -> None:
    first = q.options(hold=True).enqueue(steps.nothing)
    words = ["--retry", "2", "--timeout", "5m", "--result-ttl", "-1", "--ttl", "1h", "--description", "for me"]
    result = command("enqueue", "steps.nothing", "--id", "mine", "-d", first.id, "--rule", "all_done", *words)
    assert result.stdout == "mine\n"
    job = Job.fetch("mine", connection=valkey)
    assert (job.origin, job.retries_left, job.timeout, job.result_ttl, job.ttl) == ("default", 2, 300, -1, 3600)
    assert job.description == "for me"
    assert [(edge.id, edge.rule) for edge in job.dependencies()] == [(first.id, "all_done")]
    later = Job.fetch(command("enqueue", "steps.nothing", "--in", "1h").stdout.strip(), connection=valkey)
    assert later.is_scheduled


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["steps.nothing", ":{"], 2, "'{' is no JSON"),
        (["steps.nothing", "a=1", "a:=2"], 2, "a= is given twice"),
        (["nothing"], 2, "'nothing'"),
        (["steps.nothing", "--rule", "all_done"], 2, "--rule is for --depends-on"),
        (["steps.nothing", "--wait-timeout", "1"], 2, "--wait-timeout is for --wait"),
        (["steps.nothing", "--in", "soon"], 2, "--in must be seconds"),
        (["steps.nothing", "-d", "unknown"], 1, "there is no job 'unknown'"),
        (["steps.nothing", "@unknown"], 1, "there is no job 'unknown'"),
        (["steps.nothing", "--timeout", "x"], 2, "timeout must be"),
    ],
)
def test_enqueue_refuses_what_can_not_be(
    command: Command, q: Queue, words: list[str], code: int, message: str, valkey: Redis
) -> None:
    result = command("enqueue", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert not valkey.keys("*job:*")


def test_enqueue_waits_for_what_comes_of_it(q: Queue, valkey_url: str) -> None:
    words = ["enqueue", "-q", "work", "--wait", "--url", valkey_url]
    for call, code, printed in (
        (["steps.add", ":1", ":2"], 0, "3\n"),
        (["steps.echo", ':{"a": [1]}'], 0, '{\n  "a": [\n    1\n  ]\n}\n'),
        (["steps.boom"], 1, ""),
    ):
        with process(*words, *call) as waiting:
            assert waiting.stderr is not None
            job_id = waiting.stderr.readline().strip()
            assert Job.exists(job_id, connection=q.store.client)
            work(q)
            said, errors = waiting.communicate(timeout=30)
        assert (waiting.returncode, said) == (code, printed)
        assert ("ValueError: boom" in errors) is bool(code)
    assert run(*words, "--wait-timeout", "0.1", "steps.nothing").exit_code == 124


# Watched


@pytest.mark.parametrize("columns", [60, 140])
def test_what_is_watched_changes_in_place(q: Queue, valkey_url: str, columns: int) -> None:
    with Terminal("info", "--watch", "--url", valkey_url, columns=columns) as terminal:
        terminal.until(lambda terminal: "No queues yet: the first enqueue makes one." in terminal.lines)
        q.enqueue(steps.nothing)
        terminal.until(lambda terminal: any(line.startswith("work ") for line in terminal.lines))
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.written
    assert "No queues yet: the first enqueue makes one." not in terminal.lines
    assert all(len(line) <= columns for line in terminal.lines)


def test_what_is_watched_is_a_line_of_json_whenever_it_has_changed(q: Queue, valkey_url: str) -> None:
    with process("jobs", "--watch", "--json", "--url", valkey_url) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline()) == []
        job = q.enqueue(steps.nothing)
        assert [each["id"] for each in json.loads(watching.stdout.readline())] == [job.id]
        watching.send_signal(signal.SIGINT)
        assert watching.communicate(timeout=30) == ("", "")
    assert watching.returncode == 130


def test_a_job_is_watched_until_it_has_ended(q: Queue, valkey_url: str) -> None:
    job = q.enqueue(steps.nothing)
    with process("job", job.id, "--watch", "--json", "--url", valkey_url) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["status"] == "queued"
        work(q)
        rest, errors = watching.communicate(timeout=30)
    assert json.loads(rest.splitlines()[-1])["result"] is None
    assert (watching.returncode, errors) == (0, "")


def test_a_server_that_went_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rqdeps.cli import watching

    answers = iter(
        [watching.View(lambda: 1, str, 1), ConnectionUnavailableError("away"), watching.View(lambda: 2, str, 2)]
    )

    def look() -> watching.View:
        answer = next(answers, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, Exception):
            raise answer
        return answer

    said: list[Any] = []
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(watching.click, "echo", said.append)
    with pytest.raises(SystemExit) as ended:
        watching.present(look, as_json=True, watch=True)
    assert (said, ended.value.code) == (["1", "2"], 130)


def test_a_job_as_json_tells_what_its_page_does(command: Command, q: Queue, valkey_url: str) -> None:
    above = q.enqueue(steps.add, 1, right=2)
    below = q.enqueue(steps.boom, above.output, fallback=Fallback(steps.nothing))
    work(q)
    words = (["job", job.id, "--json", "--url", valkey_url] for job in (above, below))
    first, second = (json.loads(CliRunner().invoke(main, each).stdout) for each in words)
    assert (first["status"], first["result"], first["call"]) == ("finished", 3, "steps.add(1, right=2)")
    assert first["dependents"] == [below.id]
    assert second["dependencies"] == [
        {"id": above.id, "status": "finished", "outcome": "finished", "rule": "all_success", "passes_output": True}
    ]
    (attempt,) = second["attempts"]
    assert (attempt["error"], attempt["outcome"]) == ("ValueError: 3", "failed")
    assert "Traceback" in attempt["traceback"]
    assert "result" not in second
    unlike_json = q.enqueue(samples.anything)
    unlike_json.skip(frozenset({1}))
    assert json.loads(command("job", unlike_json.id, "--json").stdout)["result_as_python"] == "frozenset({1})"


def test_connecting_only_to_look_makes_no_embedded_server(tmp_path: Any) -> None:
    for words in ("jobs", "workers", "queue list", "pause --all", "requeue --all", "empty --all"):
        result = run(*words.split(), "--url", f"embedded:{tmp_path}/none")
        assert result.exit_code == 1, words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file here that is always full")
def test_what_can_not_be_written_is_said_in_a_line(q: Queue, valkey_url: str) -> None:
    q.enqueue_many([Queue.prepare_data(steps.nothing) for _ in range(200)])
    line = "Error: standard output can't be written: No space left on device\n"
    for words, stdout, code, errors in (
        ("info", "> /dev/full", 1, line),
        ("jobs --most none", "> /dev/full", 1, line),
        ("jobs --most none", "| head -n 1", 0, ""),
        ("info", ">&-", 0, ""),
    ):
        shell = f"{sys.executable} -m rqdeps {words} --url {valkey_url} {stdout}"
        ran = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (code, errors), shell


# What JSON, and what terminals, do not have


def no_number(name: str) -> None:
    raise AssertionError(f"JSON has no {name}")


def test_json_has_no_numbers_that_json_does_not_have(command: Command, q: Queue) -> None:
    job = q.enqueue(steps.echo, float("nan"))
    work(q)
    job.meta["best"] = float("-inf")
    job.save_meta()
    told = json.loads(command("job", job.id, "--json").stdout, parse_constant=no_number)
    assert (told["result_as_python"], told["meta"]) == ("nan", {"best": None})


def test_an_encoding_without_the_letters_is_no_reason_to_stop(q: Queue, valkey_url: str) -> None:
    job = q.options(description="漢字 ü").enqueue(steps.nothing)
    shown = {}
    for words in (["job", job.id], ["job", job.id, "--json"], ["graph", job.id, "--format", "mermaid"]):
        command = [sys.executable, "-m", "rqdeps", *words, "--url", valkey_url]
        done = subprocess.run(
            command, env=os.environ | {"PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True, timeout=60
        )
        shown[" ".join(words[2:])] = done.stdout.decode("latin-1")
    assert "?? ü" in shown[""]
    assert json.loads(shown["--json"])["call"] == "漢字 ü"


def test_json_that_is_too_deep_is_wrong_usage(command: Command, q: Queue) -> None:
    for words in (["enqueue", "steps.echo", ":" + "[" * 100_000], ["skip", "--all", "--output", "[" * 100_000]):
        result = command(*words)
        assert result.exit_code == 2
        assert "it is too deep" in result.stderr


def test_an_id_that_is_no_text_is_wrong_usage(command: Command, q: Queue) -> None:
    for words in (["job"], ["cancel"], ["graph"], ["workflow", "show"]):
        result = command(*words, "\udcff")
        assert (result.exit_code, "no text in the encoding of this shell" in result.stderr) == (2, True)


def interrupted(*_: object, **__: object) -> str:
    raise KeyboardInterrupt


def test_ctrl_c_in_a_question_is_no_missing_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termui, "visible_prompt_func", interrupted)
    with pytest.raises(KeyboardInterrupt):
        is_wanted("Delete 1 job?", yes=False)


def test_ctrl_c_at_any_moment_exits_with_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rqdeps.cli.jobs.connect", interrupted)
    result = command("jobs")
    assert (result.exit_code, result.output) == (130, "\n")


def test_without_standard_input_nobody_answers(q: Queue, valkey_url: str) -> None:
    job = q.enqueue(steps.nothing)
    command = shlex.join([sys.executable, "-m", "rqdeps", "delete", "--all", "--url", valkey_url])
    done = subprocess.run(["sh", "-c", f"{command} <&-"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "nobody answered" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert job.is_queued


def test_a_queue_is_told_in_words_where_its_columns_have_no_room(q: Queue, valkey_url: str) -> None:
    above = q.options(hold=True).enqueue(steps.nothing)
    q.enqueue(steps.nothing, depends_on=above)
    q.limit(2)
    shown = {}
    for columns in (50, 100):
        with Terminal("queue", "list", "--url", valkey_url, columns=columns) as terminal:
            assert terminal.end() == 0
        shown[columns] = terminal.lines
    assert shown[50][0] == "work  1 created, 1 deferred; at most 2 at once"
    assert shown[100][0].split()[:3] == ["queue", "created", "deferred"]


def test_what_is_no_server_of_jobs_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "web"))
        listening.listen()
        with process("jobs", "--url", f"unix://{tmp_path}/web") as started, listening.accept()[0] as client:
            client.recv(1000)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            _, errors = started.communicate(timeout=30)
    assert (started.returncode, errors.startswith("Error: what answers there is neither Redis nor Valkey")) == (1, True)
