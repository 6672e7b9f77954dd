"""Programs that enqueue jobs and read their results."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone

from rq import Queue, Repeat, Retry, SimpleWorker, Worker
from rq.decorators import job
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.results import Result

from at_home import tasks


def hello(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.add, 1, y=2)
    before = [job.get_status(), job.is_queued, job.return_value(), len(q), q.count, q.job_ids == [job.id]]
    worked = SimpleWorker([q], connection=connection).work(burst=True)
    again = SimpleWorker([q], connection=connection).work(burst=True)
    job.refresh()
    latest = job.latest_result()
    return {
        "before": before,
        "worked": [worked, again],
        "after": [job.get_status() == JobStatus.FINISHED, job.is_finished, job.return_value(refresh=True), len(q)],
        "latest": [latest.type == Result.Type.SUCCESSFUL, latest.return_value, latest.exc_string],
        "results": [each.return_value for each in job.results()],
    }


def job_as_stored(connection):
    q = Queue("mail", connection)
    q.enqueue(
        tasks.add, 1, y=2, job_id="one", job_timeout="2m", description="adds", meta={"by": "me"}, result_ttl=50, ttl=100
    )
    job = Job.fetch("one", connection=connection)
    return {
        "call": [job.func_name.split(".")[-1], list(job.args), job.kwargs, job.func is tasks.add],
        "origin": job.origin,
        "timeout": job.timeout,
        "texts": [job.description, job.meta, job.get_meta()],
        "times": [isinstance(each, datetime) for each in (job.created_at, job.enqueued_at, job.started_at)],
        "zone": job.created_at.utcoffset() == timedelta(0),
        "worker": job.worker_name,
        "equal": [job == Job.fetch("one", connection=connection), len({job, Job.fetch("one", connection=connection)})],
    }


def default_description(connection):
    job = Queue(connection=connection).enqueue(tasks.add, 1, y="two")
    return {"description": job.description, "str": tasks.__name__ in str(job) or job.id in str(job)}


def function_by_path(connection):
    q = Queue(connection=connection)
    job = q.enqueue("at_home.tasks.add", 3, 4)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"result": job.return_value()}


def function_of_the_standard_library(connection):
    q = Queue(connection=connection)
    jobs = [q.enqueue(time.sleep, 0), q.enqueue("os.path.basename", "/a/b"), q.enqueue(len, [1, 2])]
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"results": [job.return_value() for job in jobs], "names": [job.func_name for job in jobs]}


def function_of_a_class(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.Sums.add, 1, 2)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"result": job.return_value(), "status": job.get_status()}


def coroutine(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.add_later, 3, 4)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"result": job.return_value()}


def arguments_apart(connection):
    q = Queue(connection=connection)
    jobs = [
        q.enqueue(tasks.add, args=(1, 2), kwargs={}, job_timeout=30),
        q.enqueue(tasks.add, kwargs={"x": 3, "y": 4}),
        q.enqueue_call(tasks.add, args=(5, 6), timeout=40),
        q.enqueue_call(func=tasks.add, args=(7,), kwargs={"y": 8}, result_ttl=60),
    ]
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"results": [job.return_value() for job in jobs], "timeouts": [job.timeout for job in jobs]}


def order(connection):
    q = Queue(connection=connection)
    for text in "abc":
        q.enqueue(tasks.note, text)
    q.enqueue(tasks.note, "first", at_front=True)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"order": tasks.notes(connection)}


def order_of_queues(connection):
    high, low = Queue("high", connection=connection), Queue("low", connection=connection)
    for text in "abc":
        low.enqueue(tasks.note, f"low {text}")
        high.enqueue(tasks.note, f"high {text}")
    SimpleWorker([high, low], connection=connection).work(burst=True)
    return {"order": tasks.notes(connection)}


def in_processes(connection):
    q = Queue(connection=connection)
    jobs = [q.enqueue(tasks.note, str(number)) for number in range(5)]
    failing = q.enqueue(tasks.fail)
    worked = Worker([q], connection=connection).work(burst=True)
    return {
        "worked": worked,
        "order": tasks.notes(connection),
        "results": [job.return_value() for job in jobs],
        "failed": failing.get_status(),
    }


def many(connection):
    q = Queue(connection=connection)
    jobs = q.enqueue_many(
        [
            Queue.prepare_data(tasks.add, args=(1, 2), job_id="three"),
            Queue.prepare_data(tasks.add, kwargs={"x": 3, "y": 4}, description="seven"),
            Queue.prepare_data(tasks.note, ("front",), at_front=True),
        ]
    )
    ids = [job.id for job in jobs]
    queued = [ids.index(job_id) for job_id in q.job_ids]
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"first": ids[0], "queued": queued, "results": [job.return_value() for job in jobs]}


def own_id_twice(connection):
    q = Queue(connection=connection)
    q.enqueue(tasks.add, 1, 2, job_id="one", unique=True)
    try:
        q.enqueue(tasks.add, 3, 4, job_id="one", unique=True)
    except DuplicateJobError:
        refused = True
    else:
        refused = False
    return {"refused": refused, "ids": q.job_ids}


def own_id_twice_without_unique(connection):
    q = Queue(connection=connection)
    q.enqueue(tasks.add, 1, 2, job_id="one")
    try:
        q.enqueue(tasks.add, 3, 4, job_id="one")
    except DuplicateJobError:
        refused = True
    else:
        refused = False
    return {"refused": refused, "ids": q.job_ids}


def unknown_ids(connection):
    q = Queue(connection=connection)
    q.enqueue(tasks.add, 1, 2, job_id="one")
    found = Job.fetch_many(["one", "two"], connection=connection)
    try:
        Job.fetch("two", connection=connection)
    except NoSuchJobError:
        raised = True
    else:
        raised = False
    return {
        "exists": [Job.exists("one", connection), Job.exists("two", connection=connection)],
        "many": [job and job.id for job in found],
        "raised": raised,
        "in_queue": [q.fetch_job("one").id, q.fetch_job("two"), Queue("b", connection=connection).fetch_job("one")],
    }


def later(connection):
    q = Queue(connection=connection)
    job = q.enqueue_in(timedelta(hours=1), tasks.add, 1, y=2)
    at = datetime(2100, 1, 1, tzinfo=timezone.utc)
    other = q.enqueue_at(at, tasks.add, 1, 2, job_id="new-year")
    registry = q.scheduled_job_registry
    SimpleWorker(q, connection=connection).work(burst=True)
    return {
        "status": [job.get_status(), other.is_scheduled],
        "registry": [registry.count, len(registry), job in registry, "new-year" in registry, len(q)],
        "ids": registry.get_job_ids() == [job.id, other.id],
        "time": registry.get_scheduled_time(other) == at,
    }


def moment_without_a_zone(connection):
    q = Queue(connection=connection)
    try:
        q.enqueue_at(datetime(2100, 1, 1), tasks.add, 1, 2)
    except ValueError:
        return {"refused": True}
    return {"refused": False}


def at_last(connection):
    q = Queue(connection=connection)
    job = q.enqueue_at(datetime.now(timezone.utc), tasks.add, 1, 2)
    SimpleWorker(q, connection=connection).work(max_jobs=1, with_scheduler=True)
    return {"status": job.get_status(), "result": job.return_value()}


def decorated(connection):
    @job("mail", connection=connection, timeout=20, result_ttl=100)
    def local(x, y):
        return x + y

    decorate = job(Queue("mail", connection=connection), connection)
    plain = decorate(tasks.add)
    first, second = plain.delay(1, 2), plain.enqueue(3, y=4)
    at_front = plain.delay(5, 6, at_front=True, job_id="eleven")
    SimpleWorker("mail", connection=connection).work(burst=True)
    return {
        "called": [local(1, 2), plain(5, 6)],
        "origin": first.origin,
        "id": at_front.id,
        "results": [first.return_value(), second.return_value(), at_front.return_value()],
    }


def repeated(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.note, "again", repeat=Repeat(times=2))
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"notes": tasks.notes(connection), "status": job.get_status()}


def here_and_now(connection):
    q = Queue(connection=connection, is_async=False)
    job = q.enqueue(tasks.add, 1, 2)
    failed = q.enqueue(tasks.fail)
    dependent = q.enqueue(tasks.add, 3, 4, depends_on=job)
    return {
        "is_async": q.is_async,
        "results": [job.return_value(), job.get_status(), failed.get_status(), len(q)],
        "dependent": [dependent.return_value(), dependent.get_status()],
        "registries": [q.finished_job_registry.count, q.failed_job_registry.count],
    }


def result_kept_for_no_time(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.add, 1, 2, result_ttl=0)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"result": job.return_value(), "exists": Job.exists(job.id, connection)}


def made_first(connection):
    q = Queue("mail", connection=connection)
    job = Job.create(tasks.add, args=(1, 2), connection=connection, id="mine", description="made", timeout=30)
    made = [job.id, job.get_status(refresh=False), job.timeout]
    q.enqueue_job(job)
    return {"made": made, "queued": [job.get_status(), job.origin, q.job_ids]}


def retried(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.fail_at_first, 2, retry=Retry(max=3))
    SimpleWorker(q, connection=connection).work(burst=True)
    job.refresh()
    return {"status": job.get_status(), "result": job.return_value(), "left": job.retries_left}


def retried_in_vain(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.fail_at_first, 9, retry=Retry(max=2, interval=0))
    SimpleWorker(q, connection=connection).work(burst=True)
    job.refresh()
    return {
        "tries": int(connection.get("tries")),
        "status": [job.get_status(), job.retries_left, q.failed_job_registry.count],
        "text": "ValueError: try 3" in job.latest_result().exc_string,
        "type": job.latest_result().type == Result.Type.FAILED,
    }


def retried_later(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.fail, retry=Retry(max=2, interval=[60, 120]))
    SimpleWorker(q, connection=connection).work(max_jobs=1)
    left = q.scheduled_job_registry.get_scheduled_time(job) - datetime.now(timezone.utc)
    job.refresh()
    return {
        "status": [job.get_status(), job.retries_left, q.failed_job_registry.count],
        "interval": timedelta(seconds=50) < left < timedelta(seconds=61),
    }


def retried_by_its_return(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.ask_for_another_try)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"tries": int(connection.get("tries")), "status": job.get_status(), "result": job.return_value()}


def waited_for(connection):
    q = Queue(connection=connection)
    good, bad = q.enqueue(tasks.note, "good"), q.enqueue(tasks.fail)
    pid = os.fork()
    if not pid:
        try:
            SimpleWorker(q, connection=connection).work(burst=True)
        finally:  # whatever it raises is not for the copy of this program
            os._exit(0)
    found = good.latest_result(timeout=20), bad.latest_result(timeout=20)
    os.waitpid(pid, 0)
    return {
        "types": [each.type.name for each in found],
        "good": [found[0].return_value, found[0].exc_string],
        "bad": [found[1].return_value, "ValueError: no way" in found[1].exc_string, "no way" in bad.exc_info],
    }


def timed_out(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.overrun, job_timeout=1)
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"result": job.return_value()}
