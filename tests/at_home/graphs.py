"""Programs whose jobs depend on each other."""

from __future__ import annotations

from rq import Queue, SimpleWorker
from rq.group import Group
from rq.job import Dependency, Job

from at_home import tasks


def chain(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.note, "first")
    second = q.enqueue(tasks.note, "second", depends_on=first)
    third = q.enqueue(tasks.note, "third", depends_on=[first.id, second])
    registry = q.deferred_job_registry
    before = [second.get_status(), third.is_deferred, registry.count, second in registry, q.job_ids == [first.id]]
    ids = [second.dependency.id == first.id, sorted(third.dependency_ids) == sorted([first.id, second.id])]
    below = [first.dependent_ids == [second.id], [each.id for each in second.fetch_dependencies()] == [first.id]]
    SimpleWorker(q, connection=connection).work(burst=True)
    return {
        "before": before,
        "ids": ids,
        "below": below[1],
        "order": tasks.notes(connection),
        "after": [third.get_status(), registry.count, q.finished_job_registry.count],
    }


def across_queues(connection):
    a, b = Queue("a", connection=connection), Queue("b", connection=connection)
    first = a.enqueue(tasks.add, 1, 2)
    second = b.enqueue(tasks.add, 3, 4, depends_on=first)
    SimpleWorker([a], connection=connection).work(burst=True)
    return {"queued": [second.get_status(), b.job_ids == [second.id], second.origin]}


def after_a_failure(connection):
    q = Queue(connection=connection)
    failing = q.enqueue(tasks.fail)
    stuck = q.enqueue(tasks.note, "after", depends_on=failing)
    anyway = q.enqueue(tasks.note, "anyway", depends_on=Dependency(jobs=[failing], allow_failure=True))
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"notes": tasks.notes(connection), "stuck": stuck.get_status(), "anyway": anyway.get_status()}


def of_what_has_ended(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.add, 1, 2)
    SimpleWorker(q, connection=connection).work(burst=True)
    second = q.enqueue(tasks.note, "second", depends_on=first)
    return {"status": second.get_status()}


def of_what_has_failed(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.fail)
    SimpleWorker(q, connection=connection).work(burst=True)
    stuck = q.enqueue(tasks.note, "second", depends_on=first)
    anyway = q.enqueue(tasks.note, "anyway", depends_on=Dependency([first], allow_failure=True))
    return {"stuck": stuck.get_status(), "anyway": anyway.get_status()}


def of_what_never_was(connection):
    q = Queue(connection=connection)
    try:
        status = q.enqueue(tasks.add, 1, 2, depends_on="never").get_status()
    except Exception as error:
        return {"status": type(error).__name__}
    return {"status": str(status.value)}


def at_the_front(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.note, "first")
    q.enqueue(tasks.note, "last")
    q.enqueue(tasks.note, "front", depends_on=Dependency([first], enqueue_at_front=True))
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"order": tasks.notes(connection)}


def requeued_above(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.fail_at_first, 1)
    second = q.enqueue(tasks.note, "second", depends_on=first)
    SimpleWorker(q, connection=connection).work(burst=True)
    first.requeue()
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"status": [first.get_status(), second.get_status()], "notes": tasks.notes(connection)}


def canceled_above(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.add, 1, 2)
    second = q.enqueue(tasks.note, "second", depends_on=first)
    first.cancel()
    return {"first": first.get_status(), "second": second.get_status(), "queued": q.job_ids}


def canceled_above_and_released(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.add, 1, 2)
    second = q.enqueue(tasks.note, "second", depends_on=first)
    try:
        first.cancel(enqueue_dependents=True)
    except ValueError:
        return {"refused": True, "first": first.get_status()}
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"refused": False, "first": first.get_status(), "second": second.get_status()}


def deleted_with_dependents(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.add, 1, 2)
    second = q.enqueue(tasks.add, 3, 4, depends_on=first)
    first.delete(delete_dependents=True)
    return {"exists": [Job.exists(job.id, connection) for job in (first, second)], "queued": q.job_ids}


def many_at_once(connection):
    q = Queue(connection=connection)
    first = q.enqueue(tasks.add, 1, 2)
    jobs = q.enqueue_many([Queue.prepare_data(tasks.add, (number,), depends_on=first) for number in range(3)])
    before = [job.get_status() for job in jobs]
    SimpleWorker(q, connection=connection).work(burst=True)
    return {"before": before, "results": [job.return_value() for job in jobs]}


def grouped(connection):
    q = Queue(connection=connection)
    group = Group.create(connection=connection, name="mine")
    jobs = group.enqueue_many(queue=q, job_datas=[Queue.prepare_data(tasks.add, (number, 1)) for number in range(3)])
    SimpleWorker(q, connection=connection).work(burst=True)
    found = Group.fetch(name="mine", connection=connection)
    jobs[0].delete()
    return {
        "names": [each.name for each in Group.all(connection=connection)],
        "group_id": Job.fetch(jobs[1].id, connection=connection).group_id,
        "results": sorted(job.return_value() for job in found.get_jobs()),
    }
