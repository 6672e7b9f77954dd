"""What a worker may run: by where it was defined, not by where it can be found."""

from __future__ import annotations

import importlib

import pytest

from rqdeps.allowance import Allowance, NotAllowedError

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
    with pytest.raises(NotAllowedError, match=r"may not run here: this worker was started with --allow allowed\.inside"):
        ALLOWANCE.check_path(path)


@pytest.mark.parametrize("path", ["allowed.inside.run.__globals__", "allowed.inside.Thing.__subclasses__"])
def test_no_path_leads_through_pythons_insides(path: str) -> None:
    with pytest.raises(NotAllowedError, match="must not lead through Python's insides"):
        ALLOWANCE.check_path(path)


def test_several_packages_may_be_allowed() -> None:
    allowance = Allowance(["allowed.inside", "allowed.outside"])
    for name in ("outside.run", "inherited_call", "Inheriting.of_class"):
        allowance.check(f"allowed.inside.{name}", found_at(f"allowed.inside:{name}"))


def test_what_a_map_runs_may_run_always() -> None:
    ALLOWANCE.check("rqdeps.spreading.spread", found_at("rqdeps.spreading:spread"))
    with pytest.raises(NotAllowedError):
        ALLOWANCE.check_path("rqdeps.spreading.restored_fallback")


@pytest.mark.parametrize("packages", [[], ["my-app"], ["my app"], [""], ["a..b"]])
def test_an_allowance_names_packages(packages: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no dotted name|at least one package"):
        Allowance(packages)
