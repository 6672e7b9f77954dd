"""What keeps jobs apart: processes of their own, and what becomes of a job, and of all others, when one dies."""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import steps
from processes import Witness, eventually, forked_worker
from redis import Redis

from rqdeps import JobFailedError, Queue, Worker
from rqdeps.store import Store
from rqdeps.store.calls import upkeep
from rqdeps.store.calls.claims import Claimed
from rqdeps.worker import deaths, stable
from rqdeps.worker import horse as horse_module
from rqdeps.worker import spare as spare_module
from rqdeps.worker.deaths import Coroner
from rqdeps.worker.forked import Death, Horse
from rqdeps.worker.held import Held
from rqdeps.worker.horse import EXIT_WITHOUT_PIPE
from rqdeps.worker.messages import Report, frame
from rqdeps.worker.oom import OutOfMemoryWatch
from rqdeps.worker.options import ISOLATIONS, HorseOptions, Isolation
from rqdeps.worker.pipe import Pipe
from rqdeps.worker.stable import Stable

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, awaits the end of strangers by pidfds")


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture(params=ISOLATIONS)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def drain(q: Queue, isolation: Isolation) -> Callable[..., None]:
    return lambda **options: Worker([q], isolation=isolation, **options).work(burst=True) and None


# Processes


def test_jobs_share_a_process_or_have_one_each(q: Queue, drain: Callable[..., None], isolation: Isolation) -> None:
    jobs = [(q.enqueue(steps.pid), q.enqueue(steps.parent_pid)) for _ in range(10)]
    drain()
    pids = {pid.result for pid, _ in jobs}
    (parent,) = {parent.result for _, parent in jobs}
    assert len(pids) == (1 if isolation == "process" else 10)
    assert (parent == os.getpid()) == (isolation == "process")
    assert os.getpid() not in pids


@pytest.mark.parametrize("function", [steps.die, steps.hard_exit])
def test_a_process_that_forks_for_each_job_outlives_their_deaths(q: Queue, function: Callable[[], None]) -> None:
    parents = []
    for _ in range(3):
        parents += [q.enqueue(steps.parent_pid), q.enqueue(function)]
    Worker([q], isolation="job").work(burst=True)
    assert len({job.result for job in parents[::2]}) == 1
    assert all(job.is_failed for job in parents[1::2])


def test_it_is_replaced_once_it_was_killed_with_its_job(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stable, "GRACE_NS", 50_000_000)
    before = q.enqueue(steps.parent_pid)
    q.enqueue(steps.ignore_time, os.devnull, job_timeout=0.1)
    after = q.enqueue(steps.parent_pid)
    Worker([q], isolation="job").work(burst=True)
    assert before.result != after.result


def test_a_process_for_a_job_that_can_not_be_forked_is_tried_again(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor, fork, calls = os.getpid(), os.fork, itertools.count()

    def fork_sometimes() -> int:
        if os.getpid() != supervisor and next(calls) % 3:
            raise BlockingIOError("Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", fork_sometimes)
    jobs = [q.enqueue(steps.echo, number) for number in range(4)]
    Worker([q], isolation="job").work(burst=True)
    assert [(job.result, job.attempt) for job in jobs] == [(number, 1) for number in range(4)]


# Spares


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_dead(pid: int) -> bool:
    """Whether a process has ended, and is perhaps still to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def report_of(horses: Stable, horse: Horse) -> Report:
    """What a horse reports of the one job that it has."""
    while not (reported := list(horses.collect(horse))):
        assert select.select([horse.pipe.frames], [], [], 30)[0]
    ((_, report),) = reported
    return report


@on_linux
def test_the_process_for_a_job_is_there_before_the_job_and_the_next_one_as_well() -> None:
    with stable_of("job") as horses:
        horse = ready_horse(horses)
        for _ in range(3):
            (spare,) = children_of(horse.pid)
            assert horses.give([held("a job", "steps.pid", b"j[[],{}]")]) == []
            assert report_of(horses, horse).value == b"j%d" % spare


@on_linux
def test_no_job_is_to_blame_for_the_death_of_the_process_that_waited_for_it() -> None:
    with stable_of("job") as horses:
        horse = ready_horse(horses)
        for _ in range(3):
            (spare,) = children_of(horse.pid)
            os.kill(spare, signal.SIGKILL)
            eventually(lambda spare=spare: is_dead(spare))
            assert horses.give([held("a job")]) == []
            assert report_of(horses, horse).value == b'j"done"'
            assert spare not in children_of(horse.pid)


def test_no_job_is_to_blame_for_a_process_that_dies_with_its_task_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    task_from = spare_module._task_from

    def die_first(end: socket.socket) -> Any:
        task = task_from(end)
        if task is not None and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(3)
        return task

    monkeypatch.setattr(spare_module, "_task_from", die_first)
    with stable_of("job") as horses:
        horse = ready_horse(horses)
        assert horses.give([held("a job")]) == []
        assert report_of(horses, horse).value == b'j"done"'
    assert (tmp_path / "died").exists()


@on_linux
@pytest.mark.parametrize("how", ["killed", "ended"])
def test_a_process_that_waits_for_a_job_ends_with_the_one_that_forked_it(how: str) -> None:
    with stable_of("job") as horses:
        horse = ready_horse(horses)
        (spare,) = children_of(horse.pid)
        file = os.pidfd_open(spare)
        try:
            if how == "killed":
                os.kill(horse.pid, signal.SIGKILL)
            else:
                horses.end()
                assert spare not in children_of(1)  # it was waited for
            assert select.select([file], [], [], 20)[0]
        finally:
            os.close(file)


@on_linux
def test_jobs_find_no_other_descriptors_than_those_before_them(q: Queue) -> None:
    jobs = [q.enqueue(steps.descriptors) for _ in range(5)]
    Worker([q], isolation="job").work(burst=True)
    first = jobs[0].result
    assert [job.result for job in jobs] == [first] * 5


# Deaths


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("fatal_exit", "import os\nos._exit(9)", "the process that ran the job ended with exit code 9"),
        (
            "fatal_signal",
            "import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)",
            "the process that ran the job was killed by SIGUSR1",
        ),
        ("fatal_leave", "import sys\nsys.exit('no')", "importing 'fatal_leave' raised SystemExit: no"),
        ("fatal_interrupt", "raise KeyboardInterrupt", ""),
    ],
)
def test_a_module_that_ends_its_process_when_it_is_imported_fails_the_job(
    q: Queue,
    drain: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: str,
    message: str,
) -> None:
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    job, after = q.enqueue(f"{name}.run"), q.enqueue(steps.echo, "after")
    drain()
    assert (job.get_status(), len(job.attempts), after.result) == ("failed", 1, "after")
    assert message in job.attempts[0].message


_fences = itertools.count(1)


def held(job_id: str, function: str = "steps.echo", payload: bytes = b'j[["done"],{}]') -> Held:
    claim = Claimed(job_id, "work", next(_fences), 1, 0, 0, function, payload, None, "", False)
    return Held.of(claim, now=0.0, begins=True)


@contextmanager
def stable_of(isolation: Isolation) -> Iterator[Stable]:
    horses = Stable(1, Store(fakeredis.FakeRedis()), lambda: None, HorseOptions(isolation))
    try:
        yield horses
    finally:
        horses.end()


def ready_horse(horses: Stable) -> Horse:
    """A new horse that can take jobs."""
    horses.fork_at = 0.0
    (horse,) = horses.start_missing()
    while not horse.is_ready:
        assert select.select([horse.pipe.frames], [], [], 30)[0]
        assert list(horses.collect(horse)) == []
    return horse


def death_with(horses: Stable, *jobs: Held) -> Death:
    """Has a new horse begin some jobs, and waits for its death."""
    horse = ready_horse(horses)
    horses.pace.average_ns = 1_000.0  # so that a horse is given several
    assert horses.give(jobs) == []
    os.waitid(os.P_PID, horse.pid, os.WEXITED | os.WNOWAIT)
    ((death, reported),) = horses.reap()
    assert reported == []
    death.horse.pipe.close()
    return death


def test_a_job_whose_process_dies_before_it_begins_is_to_blame_the_second_time(
    isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = horse_module._RunsJobs if isolation == "process" else horse_module._ForksForJobs
    monkeypatch.setattr(kind, "_take", lambda *args: os._exit(3))
    first, second = held("first"), held("second")
    with stable_of(isolation) as horses:
        death = death_with(horses, first, second)
        assert (death.ran, death.waiting) == (None, [first, second])
        death = death_with(horses, first, second)
        assert death.ran is not None
        assert (death.ran[0], death.waiting) == (first, [second])
        assert b"ended with exit code 3" in death.ran[1].value


def test_a_process_that_begins_nothing_of_what_it_was_given_is_killed(
    isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = horse_module._RunsJobs if isolation == "process" else horse_module._ForksForJobs
    monkeypatch.setattr(kind, "_take", lambda *args: signal.pause())
    monkeypatch.setattr(stable, "_IDLE_NS", 50_000_000)
    job = held("first")
    with stable_of(isolation) as horses:
        horse = ready_horse(horses)
        horses.kill_overdue()
        assert horse.killed_for is None  # it may wait for jobs as long as it likes
        assert horses.give([job]) == []
        eventually(lambda: horses.kill_overdue() or horse.killed_for is not None)
        os.waitid(os.P_PID, horse.pid, os.WEXITED | os.WNOWAIT)
        ((death, _),) = horses.reap()
        death.horse.pipe.close()
        assert (death.ran, death.waiting) == (None, [job])
        assert "was given a job and did not begin it" in str(horse.killed_for)


@pytest.mark.parametrize("length", [1, 12, 40])
def test_half_a_report_is_none(isolation: Isolation, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    def report_half(pipe: Pipe, number: int, report: Report) -> None:
        data = frame(pipe._token, number, report.pack())
        pipe._horse_frames.sendall(data[:length] if number else data)
        if number:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Pipe, "report", report_half)
    first, second = held("first"), held("second")
    with stable_of(isolation) as horses:
        death = death_with(horses, first, second)
        assert death.ran is not None
        assert (death.ran[0], death.waiting) == (first, [second])
        assert (death.ran[1].kind, b"killed by SIGKILL" in death.ran[1].value) == ("died", True)


# What dies together


@on_linux
@pytest.mark.parametrize("how", ["its timeout", "a person", "the end of the worker"])
def test_what_a_job_has_started_dies_with_it_when_it_is_killed(
    q: Queue, isolation: Isolation, monkeypatch: pytest.MonkeyPatch, witness: Witness, how: str
) -> None:
    monkeypatch.setattr(stable, "GRACE_NS", 50_000_000)
    options = {"job_timeout": 0.3} if how == "its timeout" else {}
    job = q.enqueue(steps.hold_open, str(witness.path), **options)
    with forked_worker(Worker([q], isolation=isolation, shutdown_timeout=0)) as worker:
        witness.wait()
        if how == "a person":
            job.cancel()
        elif how == "the end of the worker":
            worker.terminate()
        assert witness.sees_the_end()


def test_what_a_job_has_started_dies_with_it_when_it_crashes(q: Queue, isolation: Isolation, witness: Witness) -> None:
    job = q.enqueue(steps.hold_open_and_die, str(witness.path))
    Worker([q], isolation=isolation).work(burst=True)
    assert job.get_status() == "failed"
    assert witness.wait() == "it holds it"
    assert witness.sees_the_end()


@on_linux
def test_all_processes_die_with_a_supervisor_that_is_killed(q: Queue, isolation: Isolation, witness: Witness) -> None:
    q.enqueue(steps.hold_open_alone, str(witness.path))
    with forked_worker(Worker([q], isolation=isolation)) as worker:
        parent = int(witness.wait().split()[0])
        file = os.pidfd_open(parent)
        try:
            worker.kill()
            assert witness.sees_the_end()
            assert select.select([file], [], [], 20)[0]
        finally:
            os.close(file)
        assert (parent == worker.pid) == (isolation == "process")


@on_linux
def test_a_job_that_kills_its_worker_three_times_is_a_poison_pill(q: Queue, isolation: Isolation) -> None:
    poison = q.enqueue(steps.kill_worker, 1 if isolation == "process" else 2, retry=5)
    after = q.enqueue(steps.echo, poison.id, depends_on=poison, run_after_failure=True)
    killed = 0
    while not poison.get_status().is_terminal:
        assert killed < 10
        with forked_worker(Worker([q], isolation=isolation, lease=0.4)) as worker:
            worker.join(30)
            assert worker.exitcode == -signal.SIGKILL
        killed += 1
        eventually(lambda: _take_back(q) or not poison.is_started, seconds=30)
    assert killed >= 3  # more where the machine was so busy that it seemed an outage, in which nobody counts a death
    with pytest.raises(JobFailedError, match="poison"):
        _ = poison.result
    assert {attempt.outcome for attempt in poison.attempts} == {"lost"}
    Worker([q], isolation=isolation).work(burst=True)
    assert after.result == poison.id


def _take_back(q: Queue) -> None:
    """Another worker, of other queues, looks after this one."""
    q.store.run(upkeep.maintain(["work"], lease_ms=400))


# Memory


EVENTS = "low 0\nhigh 0\nmax 7\noom 3\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"

#: What a process's cgroups are, and which file tells of what is killed in them.
SYSTEMS: dict[str, tuple[str, str, str]] = {
    "version 2": ("0::/app/worker\n", "sys/fs/cgroup/app/worker/memory.events", EVENTS),
    "version 2, seen from inside": ("0::/\n", "sys/fs/cgroup/memory.events", EVENTS),
    "version 2, of another namespace": ("0::/../other\n", "sys/fs/cgroup/memory.events", EVENTS),
    "version 1": ("5:cpu,memory:/app\n1:name=systemd:/\n", "sys/fs/cgroup/memory/app/memory.oom_control", CONTROL),
    "version 1, seen from inside": ("5:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.oom_control", CONTROL),
    "no cgroup": ("", "proc/vmstat", "nr_free_pages 5\noom_kill {}\nzone_reclaim 0\n"),
}


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[int], Any]]:
    """The root of a system, and what says there how many processes were killed."""
    cgroups, name, content = SYSTEMS[request.param]
    for path, text in (("proc/self/cgroup", cgroups), (name, content.format(2))):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path, lambda count: (tmp_path / name).write_text(content.format(count))


def test_memory_that_ran_out_is_told_once(system: tuple[Path, Callable[[int], Any]]) -> None:
    root, say = system
    watch = OutOfMemoryWatch(root)
    assert not watch.has_killed()
    say(3)
    assert watch.has_killed()
    assert not watch.has_killed()
    say(5)
    assert watch.has_killed()


@pytest.mark.parametrize("content", [None, "", "no such line\n", "oom_kill many\n"])
def test_a_system_that_does_not_tell_has_killed_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / "vmstat").write_text(content)
    watch = OutOfMemoryWatch(tmp_path)
    assert not watch.has_killed()


def test_a_file_that_goes_away_has_killed_nothing(system: tuple[Path, Callable[[int], Any]]) -> None:
    root, _ = system
    watch = OutOfMemoryWatch(root)
    for path in root.rglob("*"):
        if path.is_file():
            path.unlink()
    assert not watch.has_killed()


def test_a_death_is_told_in_words(system: tuple[Path, Callable[[int], Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, say = system
    monkeypatch.setattr(deaths, "OutOfMemoryWatch", lambda: OutOfMemoryWatch(root))
    coroner = Coroner()
    assert coroner.cause(signal.SIGKILL) == "was killed by SIGKILL"
    say(3)
    assert coroner.cause(signal.SIGKILL) == "was killed by SIGKILL, most likely because memory ran out"
    assert coroner.cause(signal.SIGKILL) == "was killed by SIGKILL"
    assert coroner.cause(signal.SIGSEGV) == "was killed by SIGSEGV"
    assert coroner.cause(3 << 8) == "ended with exit code 3"
    assert coroner.cause(EXIT_WITHOUT_PIPE << 8) == "could not report, as a job had closed its file descriptors"
    assert coroner.cause(45) == "was killed by signal 45"


def test_a_job_that_took_too_much_memory_is_told_so(
    q: Queue, drain: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vmstat = tmp_path / "proc" / "vmstat"
    vmstat.parent.mkdir()
    vmstat.write_text("oom_kill 0\n")
    monkeypatch.setattr(deaths, "OutOfMemoryWatch", lambda: OutOfMemoryWatch(tmp_path))
    job, other = q.enqueue(steps.die_of_memory, str(vmstat)), q.enqueue(steps.die)
    drain()
    assert job.attempts[0].message.endswith("was killed by SIGKILL, most likely because memory ran out")
    assert other.attempts[0].message.endswith("was killed by SIGKILL")
