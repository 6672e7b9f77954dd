"""A program that uses RQ, run by the Python of an environment that has it: carries out what a test sends it.

Each line that comes in is JSON with ``url`` and ``code``; what the code has put in ``reply`` goes back as JSON.
"""

from __future__ import annotations

import json
import sys
import traceback
from datetime import datetime, timedelta, timezone

import rq
import rq_jobs
from redis import Redis
from rq import Callback, Queue, Retry
from rq.job import Dependency, Job


def work(connection, most):
    """Runs what is queued, so many jobs at most: as a worker does, without the second that one takes to end."""
    queue = Queue(connection=connection)
    worker = rq.SimpleWorker([queue], connection=connection, prepare_for_work=False)
    done = 0
    while done != most and (found := Queue.dequeue_any([queue], None, connection=connection)):
        worker.execute_job(*found)
        done += 1


def main():
    while line := sys.stdin.readline():
        order = json.loads(line)
        connection = Redis.from_url(order["url"])
        names = {
            "connection": connection,
            "q": Queue(connection=connection),
            "rq": rq,
            "jobs": rq_jobs,
            "Queue": Queue,
            "Retry": Retry,
            "Callback": Callback,
            "Dependency": Dependency,
            "Job": Job,
            "work": lambda most=None, connection=connection: work(connection, most),
            "soon": lambda seconds: datetime.now(timezone.utc) + timedelta(seconds=seconds),
            "reply": None,
        }
        try:
            exec(order["code"], names)
            answer = {"reply": names["reply"]}
        except Exception:
            answer = {"error": traceback.format_exc()}
        connection.close()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
