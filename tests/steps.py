"""Functions that the tests of workers enqueue."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rqdeps import DoNotRetry, Job, Queue, Secret, Snooze, get_current_job


def nothing():
    return None


def add(left, right):
    return left + right


def count_to(number):
    return list(range(number))


def total(numbers):
    return sum(numbers)


def echo(value):
    return value


def note(path, name):
    """Appends a line to a file, which is whole however many write at once."""
    with Path(path).open("a") as file:
        file.write(f"{name}\n")
    return name


def note_begin_and_end(path, seconds):
    """Notes when it begins and ends, for a test that wants to know what runs at once."""
    job_id = get_current_job().id
    note(path, f"begin {job_id}")
    time.sleep(seconds)
    note(path, f"end {job_id}")


def boom(message="boom"):
    raise ValueError(message)


def fail_before_attempt(attempt):
    if get_current_job().attempt < attempt:
        raise ConnectionError(f"attempt {get_current_job().attempt} fails")
    return get_current_job().attempt


def give_up():
    raise DoNotRetry("no use")


def snooze_until(path):
    if not Path(path).exists():
        Path(path).touch()
        raise Snooze(0.05)
    return "awake"


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_unless(path):
    if not Path(path).exists():
        Path(path).touch()
        die()
    return "survived"


def die_of(*anything):
    die()


def all_of(*anything):
    return len(anything)


def die_of_memory(path):
    """As the system would have it die."""
    Path(path).write_text("oom_kill 1\n")
    die()


def leave():
    sys.exit(3)


def hard_exit():
    os._exit(7)


def interrupt():
    raise KeyboardInterrupt


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def ignore_time(path):
    Path(path).touch()
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


def meet(fifo, release):
    """Tells that it runs by opening one fifo, and goes on when the other is opened."""
    with open(fifo, "w") as opened:
        opened.write(str(os.getpid()))
    with open(release) as opened:
        return opened.read()


def pid():
    return os.getpid()


def parent_pid():
    return os.getppid()


def descriptors():
    """What each of them stands for."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one by which they were listed
            found[number] = os.readlink(f"/proc/self/fd/{number}")
    return found


def note_process(path):
    note(path, os.getpid())


_hoard = []


def hoard(size):
    """Keeps memory, every page of which it has written to."""
    _hoard.append(b"x" * size)
    return os.getpid()


def use_for_a_while(size):
    assert len(b"x" * size) == size
    return os.getpid()


def hold_open(path):
    """Holds a fifo open, as does a program that it starts, says which processes these are, and stays."""
    with open(path, "w") as fifo:
        program = subprocess.Popen(["sleep", "60"], stdout=fifo)
        fifo.write(f"{os.getppid()} {os.getpid()} {program.pid}")
        fifo.flush()
        while True:
            with contextlib.suppress(Exception):
                time.sleep(60)


def hold_open_and_die(path):
    """Has a program hold a fifo open, and dies."""
    with open(path, "w") as fifo:
        subprocess.Popen(["sleep", "60"], stdout=fifo)
        fifo.write("it holds it")
    os.kill(os.getpid(), signal.SIGKILL)


def hold_open_alone(path):
    """Holds a fifo open, says who forked it and who that is, and stays."""
    with open(path, "w") as fifo:
        fifo.write(f"{os.getppid()} {os.getpid()}")
        fifo.flush()
        time.sleep(60)


def kill_worker(depth):
    """Kills the process that is so many generations up."""
    pid = os.getpid()
    for _ in range(depth):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)
    time.sleep(60)


def end_worker(seconds):
    """Asks the worker that forked its process to end, and takes so long."""
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(seconds)
    return "in time"


def read_stdin():
    return sys.stdin.read()


def unserializable():
    return object()


def wait_for(job_id):
    job = get_current_job()
    return Job(job_id, job._store).wait(timeout=1)


def wait_while_started(job_id):
    job = Job(job_id, get_current_job()._store)
    deadline = time.monotonic() + 20
    while job.is_started:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lose_claim(path):
    """Does as if another worker had claimed it, and waits until the server has given it to whoever comes next."""
    if Path(path).exists():
        return "again"
    Path(path).touch()
    job = get_current_job()
    job._store.client.hincrby(f"{{rqdeps}}:job:{job.id}", "fence", 1)
    return wait_while_started(job.id)


def save_meta(value):
    job = get_current_job()
    job.meta["value"] = value
    job.save_meta()
    return job.id


def text_of(length):
    return "x" * length


def close_stdout():
    os.close(1)
    sys.stdout.close()


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def fail_without_words():
    raise UnspeakableError


def interrupt_worker(value):
    os.kill(os.getpid(), signal.SIGINT)
    return value


def explain_failure(*args):
    """What a fallback knows of the job that it stands in for."""
    failed = get_current_job().failed_job
    return [failed.id, failed.error_type, failed.message, "raise" in failed.exc_info, list(args)]


def failed_job():
    return get_current_job().failed_job


def enqueue_here(name):
    """Enqueues a job without saying where; and looks it up in the same way."""
    job = Queue(name).enqueue(nothing)
    return Job.fetch(job.id).origin


def tell(text):
    """Tells people how far it is, and what it thinks of it."""
    job = get_current_job()
    job.progress(1, 2, text)
    job.log(text)
    job.progress(2, 2)


def length(text):
    return len(text)


def betray(secret):
    """Tells its secret wherever it can."""
    text = secret if isinstance(secret, str) else secret["password"]["text"]
    job = get_current_job()
    job.log(f"the password is {text}")
    job.progress(1, 2, f"trying {text}")
    raise ValueError(f"{text} is wrong", secret)


def return_secret(first, second):
    return Secret(first + second)
