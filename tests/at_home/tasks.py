"""What the jobs of these programs do."""

from __future__ import annotations

import time

from rq import Retry, get_current_job
from rq.timeouts import JobTimeoutException


def add(x, y=0):
    return x + y


class Sums:
    @staticmethod
    def add(x, y):
        return x + y


async def add_later(x, y):
    return x + y


def fail():
    raise ValueError("no way")


def note(text):
    """Notes in what order jobs run."""
    get_current_job().connection.rpush("notes", text)
    return text


def notes(connection):
    return [text.decode() for text in connection.lrange("notes", 0, -1)]


def fail_at_first(times):
    """Fails so many times, and works then."""
    tries = get_current_job().connection.incr("tries")
    if tries <= times:
        raise ValueError(f"try {tries}")
    return tries


def ask_for_another_try():
    """Asks for another attempt by what it returns."""
    tries = get_current_job().connection.incr("tries")
    return Retry(max=2) if tries < 3 else tries


def who_am_i():
    job = get_current_job()
    return [job.id, job.origin, job.get_status().value, job.func_name, job.description]


def leave_meta(value):
    job = get_current_job()
    job.meta["value"] = value
    job.save_meta()


def overrun():
    try:
        time.sleep(20)
    except JobTimeoutException:
        return "timed out"


def wait_long():
    time.sleep(60)


def on_success(job, connection, result):
    connection.rpush("notes", f"success {job.func_name} {result}")


def on_failure(job, connection, exc_type, exc_value, traceback):
    connection.rpush("notes", f"failure {job.func_name} {exc_type.__name__} {exc_value}")


def on_stopped(job, connection):
    connection.rpush("notes", f"stopped {job.func_name}")


def handle(job, exc_type, exc_value, traceback):
    job.connection.rpush("notes", f"handled {exc_type.__name__} {exc_value}")
    return True
