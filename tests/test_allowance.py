"""What a worker may run: by where it was defined, not by where it can be found."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from allowed import inside
from models import Color, Point
from redis import Redis

from rqdeps import Queue, SimpleWorker, Worker
from rqdeps.allowance import ALLOW_VARIABLE, Allowance, NotAllowedError

ALLOWANCE = Allowance(["allowed.inside"])


def found_at(path: str) -> object:
    module_name, _, names = path.partition(":")
    found: object = importlib.import_module(module_name)
    for name in names.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("run", "cached", "kept", "wrapped", "anonymous", "asked_for", "ready"),
        *("Thing", "Thing.method", "Thing.of_class", "Thing.of_nobody", "thing", "thing.method", "thing.of_class"),
        *("Point", "Pair", "Colour", "Text", "TroubleError", "OwnProcess"),
    ],
)
def test_what_is_defined_inside_may_run(name: str) -> None:
    ALLOWANCE.check(f"allowed.inside.{name}", found_at(f"allowed.inside:{name}"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("system", "it was defined in posix"),
        ("os.system", "it was defined in posix"),
        ("evaluate", "it was defined in builtins"),
        ("subprocess.run", "it was defined in subprocess"),
        ("Process", "its __init__ was defined in subprocess"),
        ("Process.communicate", "it was defined in subprocess"),
        ("process_of_class", "its class was defined in subprocess"),
        ("call_system", "it was defined in posix"),
        ("call_call_system", "it was defined in posix"),
        ("wrapped_system", "it was defined in posix"),
        ("cached_system", "it was defined in posix"),
        ("inherited_call", "its __call__ was defined in allowed.outside"),
        ("Inheriting.of_class", "it was defined in allowed.outside"),
        ("outside.run", "it was defined in allowed.outside"),
        ("OfMeta", "its metaclass was defined in allowed.outside"),
        ("lower", "does not tell where it was defined"),
    ],
)
def test_what_can_be_found_inside_but_was_defined_elsewhere_may_not(name: str, why: str) -> None:
    with pytest.raises(NotAllowedError, match=rf"allowed.inside.{name} may not run here: .*{why}"):
        ALLOWANCE.check(f"allowed.inside.{name}", found_at(f"allowed.inside:{name}"))


@pytest.mark.parametrize(
    "path",
    ["os.system", "builtins.eval", "allowed.outside.run", "allowed.insider.run", "allowed.inside", "allowed.run"],
)
def test_what_is_outside_is_not_even_looked_for(path: str) -> None:
    with pytest.raises(NotAllowedError, match=r"may not run here: this worker was started with --allow"):
        ALLOWANCE.check(path)


@pytest.mark.parametrize("path", ["allowed.inside.run.__globals__", "allowed.inside.Thing.__subclasses__"])
def test_no_path_leads_through_pythons_insides(path: str) -> None:
    with pytest.raises(NotAllowedError, match="must not lead through Python's insides"):
        ALLOWANCE.check(path)


def test_several_packages_may_be_allowed() -> None:
    allowance = Allowance(["allowed.inside", "allowed.outside"])
    for name in ("outside.run", "inherited_call", "Inheriting.of_class"):
        allowance.check(f"allowed.inside.{name}", found_at(f"allowed.inside:{name}"))


def test_what_a_map_runs_may_run_always() -> None:
    ALLOWANCE.check("rqdeps.spreading.spread", found_at("rqdeps.spreading:spread"))
    with pytest.raises(NotAllowedError):
        ALLOWANCE.check("rqdeps.spreading.restored_fallback")


@pytest.mark.parametrize("packages", [[], ["my-app"], ["my app"], [""], ["a..b"]])
def test_an_allowance_names_packages(packages: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no dotted name|at least one package"):
        Allowance(packages)


# In workers


@pytest.fixture(params=[Worker, SimpleWorker])
def work(request: pytest.FixtureRequest, valkey: Redis) -> Callable[..., None]:
    """Runs what is queued, in processes or in this one."""
    return lambda **options: request.param("default", connection=valkey, **options).work(burst=True)


def test_a_worker_runs_what_is_allowed_and_fails_the_rest_at_once(work: Callable[..., None], valkey: Redis) -> None:
    q = Queue(connection=valkey)
    system = q.enqueue("os.system", "exit 1", retry=3)
    found_inside = q.enqueue("allowed.inside.system", "exit 1", retry=3)
    mapped = q.map("allowed.inside.show", ["a", "b"])
    mapped_outside = q.map("os.path.exists", ["a"])
    inside = q.enqueue("allowed.inside.run")
    work(allow=["allowed.inside"])
    assert inside.result == "inside"
    assert mapped.result == ["a", "b"]
    assert mapped_outside.is_upstream_failed
    for job, why in ((system, "was started with --allow allowed.inside"), (found_inside, "was defined in posix")):
        assert (job.get_status(), job.attempt) == ("failed", 1)
        assert job.attempts[-1].error_type == "rqdeps.allowance.NotAllowedError"
        assert why in job.attempts[-1].message


def test_the_classes_that_arguments_name_have_to_be_allowed_too(work: Callable[..., None], valkey: Redis) -> None:
    q = Queue(connection=valkey)
    job = q.enqueue("allowed.inside.show", Point(1, Color.RED))
    other = q.enqueue("allowed.inside.show", inside.Point(1))
    work(allow="allowed.inside")
    assert job.is_failed
    assert "models.Color may not run here" in job.attempts[-1].message
    assert other.result == "Point(x=1)"


def test_the_environment_says_what_is_allowed(monkeypatch: pytest.MonkeyPatch, valkey: Redis) -> None:
    monkeypatch.setenv(ALLOW_VARIABLE, "allowed.outside, allowed.inside")
    worker = Worker("default", connection=valkey)
    assert str(worker.allowance) == "allowed.outside, allowed.inside"
    monkeypatch.setenv(ALLOW_VARIABLE, " ")
    assert Worker("default", connection=valkey).allowance is None


def test_pickles_and_an_allowance_are_refused_together_unless_all_is_signed(
    valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="what a pickle runs can't be limited by allow"):
        Worker("default", connection=valkey, serializer="pickle", allow=["allowed"])
    monkeypatch.setenv("RQDEPS_SIGNING_KEY", "k" * 32)
    assert Worker("default", connection=valkey, serializer="pickle", allow=["allowed"]).allowance is not None


def test_the_command_line_says_what_may_run(valkey_url: str, valkey: Redis) -> None:
    job = Queue(connection=valkey).enqueue("os.getpid")
    command = [
        sys.executable,
        "-m",
        "rqdeps",
        "worker",
        "--burst",
        "--url",
        valkey_url,
        "--allow",
        "json",
        "--allow",
        "a.b",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "runs only what is defined in json, a.b\n" in ran.stderr
    assert "NotAllowedError: os.getpid may not run here" in ran.stderr
    assert job.is_failed
