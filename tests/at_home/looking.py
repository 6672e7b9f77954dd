"""Programs that look at queues and registries, change their minds, and start workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from rq import Callback, Queue, SimpleWorker, Worker, cancel_job, requeue_job
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation
from rq.job import Job
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    StartedJobRegistry,
)

from at_home import tasks


def queue(connection):
    q = Queue("mail", connection=connection)
    empty = [len(q), q.is_empty(), q.job_ids, q.jobs]
    ids = [q.enqueue(tasks.add, number, 1, job_id=f"job-{number}").id for number in range(5)]
    return {
        "empty": empty,
        "counts": [len(q), q.count, q.is_empty(), bool(q)],
        "ids": [q.job_ids == ids, q.get_job_ids(1, 2), q.get_job_ids(offset=3), q.get_job_ids(length=0)],
        "jobs": [[job.id for job in q.jobs] == ids, [job.id for job in q.get_jobs(2, 1)]],
        "position": [q.get_job_position("job-3"), q.fetch_job("job-2").get_position(), q.get_job_position("none")],
        "equal": [q == Queue("mail", connection=connection), q != Queue("b", connection=connection), q.name],
        "all": [each.name for each in Queue.all(connection=connection)],
        "sorted": [each.name for each in sorted([q, Queue("a", connection=connection)])],
    }


def emptied(connection):
    q = Queue(connection=connection)
    ids = [q.enqueue(tasks.add, number, 1).id for number in range(3)]
    removed = q.empty()
    return {"removed": removed, "left": len(q), "exists": [Job.exists(each, connection) for each in ids]}


def deleted_queue(connection):
    q = Queue("mail", connection=connection)
    job = q.enqueue(tasks.add, 1, 1)
    q.delete(delete_jobs=True)
    return {"all": [each.name for each in Queue.all(connection=connection)], "exists": Job.exists(job.id, connection)}


def removed(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.add, 1, 1)
    q.remove(job)
    return {"ids": q.job_ids, "status": job.get_status()}


def registries(connection):
    q = Queue(connection=connection)
    good, bad = q.enqueue(tasks.add, 1, 2), q.enqueue(tasks.fail)
    waiting = q.enqueue(tasks.add, 3, 4, depends_on=q.enqueue_at(_in_a_century(), tasks.add, 1, 2))
    canceled = q.enqueue(tasks.add, 5, 6)
    canceled.cancel()
    SimpleWorker(q, connection=connection).work(burst=True)
    finished = FinishedJobRegistry("default", connection=connection)
    failed = FailedJobRegistry(queue=q)
    return {
        "finished": [finished.get_job_ids() == [good.id], good in finished, bad.id in finished, len(finished)],
        "failed": [failed.get_job_ids(0, 0) == [bad.id], failed.count, failed.get_job_count(cleanup=False)],
        "others": [
            waiting in DeferredJobRegistry(queue=q),
            canceled in CanceledJobRegistry("default", connection),
            StartedJobRegistry(name="default", connection=connection).get_job_ids(),
        ],
        "of_queue": [q.finished_job_registry.count, q.failed_job_registry.count, q.canceled_job_registry.count],
    }


def _in_a_century():
    return datetime(2100, 1, 1, tzinfo=timezone.utc)


def failed_ones_again(connection):
    q = Queue(connection=connection)
    jobs = [q.enqueue(tasks.fail) for _ in range(3)]
    SimpleWorker(q, connection=connection).work(burst=True)
    registry = q.failed_job_registry
    for job_id in registry.get_job_ids():
        registry.requeue(job_id)
    queued = [sorted(q.job_ids) == sorted(job.id for job in jobs), registry.count]
    SimpleWorker(q, connection=connection).work(burst=True)
    requeued = requeue_job(jobs[0].id, connection=connection)
    try:
        registry.requeue("none")
    except Exception as error:
        raised = type(error).__name__
    return {"queued": queued, "again": [requeued.id == jobs[0].id, requeued.get_status(), registry.count], "no": raised}


def failed_ones_deleted(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.fail)
    SimpleWorker(q, connection=connection).work(burst=True)
    text = job.latest_result().exc_string
    registry = FailedJobRegistry(queue=q)
    registry.remove(job, delete_job=True)
    return {
        "text": ["ValueError: no way" in text, "Traceback" in text],
        "left": [registry.count, Job.exists(job.id, connection)],
    }


def canceled(connection):
    q = Queue(connection=connection)
    job, other = q.enqueue(tasks.add, 1, 2), q.enqueue(tasks.add, 3, 4)
    job.cancel()
    cancel_job(other.id, connection=connection)
    worked = SimpleWorker(q, connection=connection).work(burst=True)
    return {
        "status": [job.get_status(), job.is_canceled, other.get_status()],
        "registry": [q.canceled_job_registry.count, job in q.canceled_job_registry],
        "worked": [worked, len(q)],
    }


def canceled_twice(connection):
    job = Queue(connection=connection).enqueue(tasks.add, 1, 2)
    job.cancel()
    try:
        job.cancel()
    except InvalidJobOperation:
        return {"refused": True}
    return {"refused": False}


def requeued_although_it_waits(connection):
    job = Queue(connection=connection).enqueue(tasks.add, 1, 2)
    try:
        job.requeue()
    except InvalidJobOperation:
        return {"refused": True}
    return {"refused": False}


def deleted(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.add, 1, 2)
    job.delete()
    return {"left": [Job.exists(job.id, connection), len(q), q.fetch_job(job.id)]}


def meta(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.leave_meta, 5, meta={"by": "me"})
    SimpleWorker(q, connection=connection).work(burst=True)
    seen = dict(job.get_meta())
    job.meta["later"] = True
    job.save_meta()
    return {"seen": seen, "saved": Job.fetch(job.id, connection=connection).meta}


def inside(connection):
    q = Queue("mail", connection=connection)
    job = q.enqueue(tasks.who_am_i, job_id="me", description="who")
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"told": job.return_value()}


def callbacks(connection):
    q = Queue(connection=connection)
    q.enqueue(tasks.add, 1, 2, on_success=Callback(tasks.on_success), on_failure=Callback(tasks.on_failure))
    q.enqueue(tasks.fail, on_success=Callback(tasks.on_success), on_failure=Callback("at_home.tasks.on_failure", 5))
    SimpleWorker(q, connection=connection, exception_handlers=[tasks.handle]).work(burst=True)
    return {"notes": tasks.notes(connection)}


def workers(connection):
    q = Queue(connection=connection)
    q.enqueue(tasks.add, 1, 2)
    q.enqueue(tasks.add, 3, 4)
    before = [Worker.count(connection=connection), Worker.all(connection=connection)]
    worker = SimpleWorker([q], "carl", connection=connection)
    worked = worker.work(max_jobs=1)
    return {"before": before, "name": worker.name, "worked": worked, "left": len(q)}


def on_the_command_line(connection):
    q = Queue("mail", connection=connection)
    job = q.enqueue(tasks.add, 1, 2)
    where = connection.connection_pool.connection_kwargs
    command = Path(sys.executable).with_name(Job.__module__.partition(".")[0])
    options = ["--burst", "-n", "carl", "-u", f"unix://{where['path']}?db={where['db']}"]
    done = subprocess.run([command, "worker", *options, "high", "mail"], capture_output=True, check=False)
    job.refresh()
    return {"exit_code": done.returncode, "result": job.return_value(), "worker": job.worker_name}


def idle(connection):
    worked = SimpleWorker([Queue(connection=connection)], connection=connection).work(max_idle_time=1)
    return {"worked": worked}


def stopped(connection):
    q = Queue(connection=connection)
    job = q.enqueue(tasks.wait_long, on_stopped=Callback(tasks.on_stopped))
    pid = os.fork()
    if not pid:
        try:
            Worker([q], connection=connection, name="carl").work(burst=True)
        finally:  # whatever it raises is not for the copy of this program
            os._exit(0)
    _await(lambda: job.get_status() == "started")
    _await(lambda: StartedJobRegistry(queue=q).get_job_ids() == [job.id])
    names = [worker.name for worker in Worker.all(connection=connection)]
    counts = [Worker.count(connection=connection), Worker.count(queue=q)]
    running = [job.refresh(), job.worker_name]
    send_stop_job_command(connection, job.id)
    _await(lambda: job.get_status() != "started")
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    return {
        "workers": [names, *counts, *running],
        "status": [job.get_status(), job.is_stopped, job.return_value()],
        "notes": tasks.notes(connection),
        "failed": q.failed_job_registry.count,
    }


def _await(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)
