"""What a worker loads and calls before its first job, and what happens when that can't be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import followups
import pytest
import set_ups
import steps
from processes import lines, worker_process
from redis import Redis

from rqdeps import Queue, SimpleWorker, Worker
from rqdeps.errors import SetUpError, UnsupportedFunctionError
from rqdeps.worker import stable
from rqdeps.worker.options import ISOLATIONS

KINDS = [*ISOLATIONS, "simple"]


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


# What works


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("init", [set_ups.set_up, "set_ups:set_up_later", "set_ups.set_up"])
def test_init_is_called_once_in_each_process_that_runs_jobs(q: Queue, isolation: Any, init: Any) -> None:
    jobs = [q.enqueue(set_ups.calls_here) for _ in range(6)]
    Worker([q], isolation=isolation, init=init, max_jobs_per_process=3).work(burst=True)
    assert [job.result for job in jobs] == [[1, True]] * 6


def test_init_is_called_by_a_simple_worker_too(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_ups, "calls", [])
    jobs = [q.enqueue(set_ups.calls_here) for _ in range(2)]
    SimpleWorker([q], init=set_ups.set_up_later).work(burst=True)
    assert [job.result for job in jobs] == [[1, True]] * 2


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_modules_are_imported_before_the_first_job(
    q: Queue, isolation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all jobs, also where each has a process of its own."""
    log = tmp_path / "log"
    for name in ("heavy_one", "heavy_two"):
        (tmp_path / f"{name}.py").write_text(f"from steps import note\nnote({str(log)!r}, {name!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    jobs = [q.enqueue(set_ups.is_imported, name) for name in ("heavy_one", "heavy_two", "heavy_none")]
    Worker([q], isolation=isolation, preload=["heavy_one", "heavy_two"]).work(burst=True)
    assert [job.result for job in jobs] == [True, True, False]
    assert lines(log) == ["heavy_one", "heavy_two"]


def test_the_worker_itself_imports_nothing(q: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_three.py").write_text("def set_up(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    q.enqueue(steps.nothing)
    Worker([q], preload="heavy_three", init="heavy_three:set_up").work(burst=True)
    assert not set_ups.is_imported("heavy_three")


# What does not

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a module that is not there": (
        {"preload": "no_such_module"},
        "the module 'no_such_module' can't be preloaded: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "a module that raises": ({"preload": "raises_at_import"}, "ValueError: not today"),
    "a module that leaves": ({"preload": "leaves_at_import"}, "SystemExit: 3"),
    "a function that is not there": ({"init": "set_ups:set_upp"}, "init can't be used: .* did you mean 'set_up'?"),
    "a function of a module that is not there": ({"init": "no_such_module:set_up"}, "there is no module"),
    "what is no function": ({"init": "set_ups:not_callable"}, "is 5, which is not callable"),
    "init that raises": ({"init": set_ups.fail}, "init, fail, raised LookupError: no database"),
    "init that leaves": ({"init": "set_ups:leave"}, "init, leave, raised SystemExit: enough"),
    "a handler that is not there": (
        {"exception_handlers": [followups.handle, "followups:handel"]},
        "the exception handler can't be used: .*did you mean 'handle'?",
    ),
}

#: With a process for each job, init is called in that: each job fails then.
OF_EACH_JOB = {"init that raises", "init that leaves"}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raises_at_import.py").write_text("raise ValueError('not today')")
    (tmp_path / "leaves_at_import.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("kind", "what"), [(kind, what) for kind in KINDS for what in WRONG if kind != "job" or what not in OF_EACH_JOB]
)
def test_a_worker_that_can_not_be_set_up_says_why_and_claims_nothing(q: Queue, kind: Any, what: str) -> None:
    options, message = WRONG[what]
    jobs = [q.enqueue(steps.nothing) for _ in range(3)]
    worker = SimpleWorker([q], **options) if kind == "simple" else Worker([q], isolation=kind, **options)
    with pytest.raises(SetUpError, match=message):
        worker.work(burst=True)
    assert [(job.get_status(), job.attempt) for job in jobs] == [("queued", 0)] * 3
    assert Worker([q]).work(burst=True)


@pytest.mark.parametrize("what", sorted(OF_EACH_JOB))
def test_with_a_process_for_each_job_init_fails_those(q: Queue, what: str) -> None:
    options, message = WRONG[what]
    job = q.enqueue(steps.nothing, retry=1)
    Worker([q], isolation="job", **options).work(burst=True)
    assert [attempt.error_type for attempt in job.attempts] == ["rqdeps.errors.SetUpError"] * 2
    assert message in job.attempts[0].message


@pytest.mark.parametrize("name", ["init", "exception_handlers"])
@pytest.mark.parametrize("wrong", ["set_up", "set_ups:", "set_ups:set up"])
def test_what_is_no_path_is_refused_at_once(q: Queue, name: str, wrong: str) -> None:
    with pytest.raises(UnsupportedFunctionError, match="is no dotted path"):
        Worker([q], **{name: wrong})


def test_what_is_no_name_of_a_module_is_refused_at_once(q: Queue) -> None:
    for wrong in ("my-app", "", "a..b", "app:set_up"):
        with pytest.raises(ValueError, match="is no name of a module"):
            Worker([q], preload=[wrong])


def test_the_command_says_in_a_line_why_it_ends(q: Queue, valkey_url: str) -> None:
    job = q.enqueue(steps.nothing)
    with worker_process(valkey_url, "--init", "set_ups:fail", "--log-level", "info") as worker:
        _, said = worker.communicate(timeout=60)
        assert worker.returncode == 1
    assert "Traceback" not in said
    assert said.splitlines()[-1].endswith("init, fail, raised LookupError: no database")
    assert job.is_queued


def test_the_command_takes_all_that_a_worker_does(q: Queue, valkey_url: str) -> None:
    called, failed = q.enqueue(set_ups.calls_here), q.enqueue(steps.boom)
    loaded = q.enqueue(set_ups.is_imported, "colorsys")
    handlers = ["--exception-handler", "followups:handle", "--exception-handler", "followups.handle_later"]
    loading = ["--preload", "colorsys", "--init", "set_ups:set_up", "--isolation", "job", "--processes", "auto"]
    lasting = ["--max-jobs-per-process", "none", "--max-memory", "1G", "--shutdown-timeout", "60"]
    with worker_process(valkey_url, "--burst", *handlers, *loading, *lasting) as worker:
        _, said = worker.communicate(timeout=60)
        assert worker.returncode == 0, said
    assert (called.result, loaded.result) == ([1, True], True)
    assert [line.text for line in failed.log_lines()] == ["handled ValueError: boom, a stack", "handled later: boom"]


def test_a_process_that_can_not_be_set_up_later_is_tried_again_with_pauses(
    q: Queue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("RQDEPS_TEST_LOG", str(log))
    monkeypatch.setattr(stable, "_FIRST_PAUSE", 0.01)
    jobs = [q.enqueue(steps.pid) for _ in range(6)]
    Worker([q], init="set_ups:fail_at_times", max_jobs_per_process=3).work(burst=True)
    pids = lines(log)
    assert [str(job.result) for job in jobs] == [pids[0]] * 3 + [pids[3]] * 3
    assert all(job.attempt == 1 for job in jobs)
    said = [text for text in caplog.messages if "can't be set up" in text]
    assert len(said) == 1
    assert "raised LookupError: no database now; trying again" in said[0]
