"""Every public name of RQ has a verdict, each verdict is true, and the page of the docs tells them."""

from __future__ import annotations

import pytest
from from_rq.counterparts import faults_of, is_there
from from_rq.document import PAGE, page
from from_rq.installed import installed_names
from from_rq.names import Name
from from_rq.verdicts import NOT_THERE, Verdicts, full_name


@pytest.fixture(scope="module")
def names() -> list[Name]:
    """All public names of RQ, as it is installed."""
    return installed_names()


@pytest.fixture
def verdicts() -> Verdicts:
    return Verdicts()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rq.Queue", ()),
        ("rq.queue.Queue", ("name", "connection", "is_async")),
        ("rq.queue.Queue.enqueue", ("f", "job_timeout", "depends_on", "unique")),
        ("rq.queue.Queue.enqueue_call", ("func", "timeout", "at_front")),
        ("rq.queue.Queue.get_job_ids", ("offset", "length")),
        ("rq.queue.EnqueueData.depends_on", ()),
        ("rq.job.Job.fetch", ("id", "connection")),
        ("rq.job.Job.is_failed", ()),
        ("rq.job.Job.retries_left", ()),
        ("rq.job.JobStatus.DEFERRED", ()),
        ("rq.job.cancel_job", ("job_id",)),
        ("rq.registry.BaseRegistry.requeue", ("job_or_id", "at_front")),
        ("rq.results.Result.Type.FAILED", ()),
        ("rq.defaults.DEFAULT_RESULT_TTL", ()),
        ("rq.worker.Worker", ()),
        ("rq.worker.base.BaseWorker.birth_date", ()),
        ("rq.worker.base.BaseWorker.work", ("burst", "with_scheduler")),
        ("command line.worker --burst", ("-b",)),
        ("command line.every command --url", ("-u",)),
    ],
)
def test_the_list_has_names_of_all_kinds(names: list[Name], name: str, parameters: tuple[str, ...]) -> None:
    (found,) = [each for each in names if full_name(each) == name]
    assert set(parameters) <= set(found.parameters)


def test_the_list_has_nothing_that_a_module_merely_imports(names: list[Name]) -> None:
    assert {"rq.queue.Redis", "rq.queue.datetime", "rq.queue.Job", "rq.worker.base.Queue"}.isdisjoint(
        map(full_name, names)
    )


def test_every_public_name_of_rq_has_a_verdict(names: list[Name], verdicts: Verdicts) -> None:
    assert [full_name(name) for name in names if verdicts.of(name) is None] == []


def test_no_name_has_two_verdicts(verdicts: Verdicts) -> None:
    assert verdicts.given_twice == []


def test_no_verdict_is_on_something_that_rq_does_not_have(names: list[Name], verdicts: Verdicts) -> None:
    for name in names:
        found = verdicts.of(name)
        if found is not None and found.kind != NOT_THERE:
            for parameter in name.parameters:
                verdicts.of_parameter(name, parameter)
    assert sorted(set(verdicts.by_name) - verdicts.used) == []


def test_what_is_said_to_be_there_is_there_and_takes_what_rq_takes(names: list[Name], verdicts: Verdicts) -> None:
    there = [name for name in names if (found := verdicts.of(name)) is not None and found.kind != NOT_THERE]
    faults = [fault for name in there for fault in faults_of(name, verdicts)]
    assert not faults, "\n".join(faults)


def test_what_is_said_not_to_be_there_is_not(names: list[Name], verdicts: Verdicts) -> None:
    gone = [name for name in names if (own := verdicts.by_name.get(full_name(name))) and own.kind == NOT_THERE]
    assert [full_name(name) for name in gone if is_there(name, verdicts)] == []


def test_the_page_of_the_docs_is_what_is_made_of_the_verdicts(names: list[Name], verdicts: Verdicts) -> None:
    assert PAGE.read_text("utf-8") == page(names, verdicts), "cd tests; python -m from_rq"
