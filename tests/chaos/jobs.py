"""What jobs do in the chaos suite: they write down that they begin and end, outside of the server, and misbehave."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import random
import signal
import socket
import stat
import sys
import time
from collections.abc import Sequence
from typing import Any

from rqdeps import Dependency, Job, Snooze, get_current_job

#: The environment variable that names the file where jobs write.
LOG_VARIABLE = "CHAOS_LOG"

# Read at once: jobs leave the environment behind as they like.
_LOG = os.environ.get(LOG_VARIABLE, os.devnull)

Deed = dict[str, Any]


def note(**facts: Any) -> None:
    """Writes one line, whole, however many processes write at once and whatever becomes of this one."""
    line = json.dumps({"at": time.time_ns(), **facts}) + "\n"
    log = os.open(_LOG, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(log, line.encode())
    finally:
        os.close(log)


def act(deed: Deed, *inputs: Any) -> Any:
    """Does a deed, and writes down when it began and how it ended.

    Args:
        deed: what to ``do``, how many ``seconds`` it takes, and before which attempt that is to go wrong: ``until``.
        *inputs: what other jobs have returned.
    """
    return _run(deed, inputs, None)


def element(item: str, deed: Deed, map_id: str) -> Any:
    """One call of a map.

    Args:
        item: its number; behind a colon after the run that has made the list, where a job has.
        deed: what to do.
        map_id: the map.
    """
    return _run(deed, [item.partition(":")[0]] if ":" in item else [], (map_id, item.rpartition(":")[2]))


def _run(deed: Deed, inputs: Sequence[Any], place: tuple[str, str] | None) -> Any:
    job = get_current_job()
    assert job is not None
    assert job.spawning is not None
    run = f"run-{os.getpid()}-{time.time_ns()}"
    note(
        what="start",
        run=run,
        do=deed["do"],
        job=job.id,
        attempt=job.running_attempt,
        fence=job.spawning._fence,
        pid=os.getpid(),
        parent=os.getppid(),
        supervisor=os.getsid(0),  # each worker leads a session of its own
        inputs=[_run_of(value) for value in inputs if value is not None],
        place=place,
    )
    how = "raised"
    try:
        is_good = job.running_attempt >= deed.get("until", 0)
        do = _DEEDS["return" if is_good and deed["do"] not in _GOOD else deed["do"]]
        result = do(deed, job, run)
        how = "returned"
    except Snooze:
        how = "snoozed"
        raise
    finally:
        note(what="end", run=run, how=how)
    return result


def _run_of(value: Any) -> str:
    """The run that has returned a value."""
    if isinstance(value, dict):
        return str(value["run"])
    return str(value[0] if isinstance(value, list) else value).partition(":")[0]


# Callbacks, which must not change how a job has ended


def look_on(job: Job[Any], *facts: Any) -> None:
    job.log("it has ended")


def complain(job: Job[Any], *facts: Any) -> None:
    raise ValueError("nobody wants to hear this")


def perish(job: Job[Any], *facts: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# Good deeds


def _return(deed: Deed, job: Job[Any], run: str) -> Any:
    time.sleep(deed.get("seconds", 0))
    return {"run": run}


def _list(deed: Deed, job: Job[Any], run: str) -> Any:
    """Makes a list for a map."""
    time.sleep(deed.get("seconds", 0))
    return [f"{run}:{number}" for number in range(deed["items"])]


def _spawn(deed: Deed, job: Job[Any], run: str) -> Any:
    children: list[Job[Any]] = []
    for child in deed["children"]:
        after = Dependency(children[-1], rule="all_done") if child.get("after") and children else None
        options = job.options(retry=child["retry"], job_timeout=child.get("timeout"), depends_on=after)
        children.append(options.spawn(act, child))
    note(what="spawned", run=run, children=[child.id for child in children])
    time.sleep(deed.get("seconds", 0))
    if job.running_attempt < deed.get("until", 0):
        raise RuntimeError("what this attempt has spawned is to come to nothing")
    return {"run": run, "children": [child.output for child in children] if deed.get("gives") else []}


# Bad ones


def _raise(deed: Deed, job: Job[Any], run: str) -> Any:
    time.sleep(deed.get("seconds", 0))
    raise ConnectionError("this is how it goes")


def _snooze(deed: Deed, job: Job[Any], run: str) -> Any:
    raise Snooze(deed.get("seconds", 0))


def _overrun(deed: Deed, job: Job[Any], run: str) -> Any:
    time.sleep(20)


def _ignore_time(deed: Deed, job: Job[Any], run: str) -> Any:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(20)


def _exit(deed: Deed, job: Job[Any], run: str) -> Any:
    os._exit(3)


def _die(deed: Deed, job: Job[Any], run: str) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_supervisor(deed: Deed, job: Job[Any], run: str) -> Any:
    os.kill(os.getsid(0), signal.SIGKILL)
    time.sleep(20)


def _close_all(deed: Deed, job: Job[Any], run: str) -> Any:
    os.closerange(3, 256)
    return {"run": run}


def _write_rubbish(deed: Deed, job: Job[Any], run: str) -> Any:
    """Says to whatever this process has open what nobody there expects."""
    for descriptor in range(3, 256):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as opened:
                    opened.send(b"rubbish" * 30, socket.MSG_DONTWAIT)
    return {"run": run}


def _print(deed: Deed, job: Job[Any], run: str) -> Any:
    for stream in (sys.stdout, sys.stderr):
        print("much to say " * 10_000, file=stream)
    return {"run": run}


def _fork(deed: Deed, job: Job[Any], run: str) -> Any:
    """Leaves a process behind, which goes on for a while."""
    if os.fork() == 0:
        time.sleep(deed.get("seconds", 0))
        os._exit(0)
    return {"run": run}


def _leave_mess(deed: Deed, job: Job[Any], run: str) -> Any:
    """Leaves behind what the next job in this process would not expect."""
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    socket.setdefaulttimeout(30)
    sys.stdout = sys.stderr = io.StringIO()
    random.seed(0)
    gc.disable()
    return {"run": run}


_GOOD = {"return", "list", "spawn", "print", "fork", "mess"}

_DEEDS = {
    "return": _return,
    "list": _list,
    "spawn": _spawn,
    "raise": _raise,
    "snooze": _snooze,
    "overrun": _overrun,
    "ignore time": _ignore_time,
    "exit": _exit,
    "die": _die,
    "kill supervisor": _kill_supervisor,
    "close all": _close_all,
    "write rubbish": _write_rubbish,
    "print": _print,
    "fork": _fork,
    "mess": _leave_mess,
}

#: Deeds after which a process may be gone, or a job's time over, whatever it has written down.
DEADLY = {"overrun", "ignore time", "exit", "die", "kill supervisor", "close all", "write rubbish"}
