"""Virtual environments with packages that rqdeps itself does not need, such as RQ. Made once, kept across runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

#: Where they are: in pytest's cache, which nobody commits, and ``pytest --cache-clear`` empties.
PLACE = Path(__file__).parent.parent / ".pytest_cache" / "d" / "environments"

#: How long one may take to be made, in seconds.
MADE_WITHIN = 240

#: RQ as the tests know it.
RQ = "rq==3.0.0"


def environment(*requirements: str) -> Path:
    """The Python of a virtual environment that has these packages.

    Skips the test where they can't be had, for want of a network or a registry; in CI it fails.

    Args:
        requirements: the packages, as pip takes them.
    """
    folder = PLACE / _name_of(requirements)
    python = folder / "bin" / "python"
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of xdist, and other runs, wait for who makes it
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, symlinks=True)
            _install(python, requirements)
            (folder / "complete").touch()
    return python


def _name_of(requirements: tuple[str, ...]) -> str:
    """A name that another Python, or other packages, would not have."""
    made_of = [sys.version, sys.base_prefix, *requirements]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *requirements]
    try:
        subprocess.run(command, capture_output=True, check=True, timeout=MADE_WITHIN, env=surroundings())
        return
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = f"no environment with {' '.join(requirements)}: {error}\n{(error.stderr or b'').decode()[-2_000:]}"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def surroundings() -> dict[str, str]:
    """The variables of this process, without those that would let such an environment see packages of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "COVERAGE"))}
