"""A virtual environment for each peer, with the newest release of it, kept from run to run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.catalogue import OURS, Listing
from benchmarks.errors import SkippedError

ENVIRONMENTS = Path(__file__).parent / ".environments"

#: Written into an environment once all is installed: what that is.
READY = "ready.json"

#: The minor versions of Python 3 that are looked for.
MINORS = range(10, 16)

#: Seconds until an installation is given up.
INSTALLATION_LIMIT = 600


def interpreter_for(listing: Listing, *, fresh: bool = False) -> Path:
    """The Python that runs a queue: this one for rqdeps, one of its own for each peer.

    Args:
        listing: the queue.
        fresh: whether an environment that is there is made anew, with the newest releases of today.

    Raises:
        SkippedError: there is no Python for it here, or it can't be installed.
    """
    if listing.module == OURS:
        return Path(sys.executable)
    folder = ENVIRONMENTS / listing.module
    python = folder / "bin" / "python"
    wanted = {"requirements": list(listing.requirements)}
    if not fresh and _made_for(folder) == wanted and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run(find_python(listing.python), "-m", "venv", str(folder))
    # The marker is the last thing to be written, so that an environment that was left half made is made again.
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", *listing.requirements)
    (folder / READY).write_text(json.dumps(wanted))
    return python


def find_python(oldest: tuple[int, int]) -> Path:
    """A Python that is new enough: this one if it is, so that queues are compared on the same; else the oldest found.

    Raises:
        SkippedError: there is none.
    """
    if sys.version_info[:2] >= oldest:
        return Path(sys.executable)
    for minor in MINORS:
        if (3, minor) >= oldest:
            for path in _candidates(minor):
                if _answers_as(path, minor):
                    return path
    raise SkippedError(f"needs Python >= {oldest[0]}.{oldest[1]}")


def _candidates(minor: int) -> Iterator[Path]:
    name = f"python3.{minor}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if (path := Path(folder, name)).is_file():
            yield path
    yield from sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"), reverse=True)


def _answers_as(python: Path, minor: int) -> bool:
    """Whether it runs: what pyenv puts on the path may refuse to."""
    asked = [str(python), "-c", "import sys, ensurepip, venv; print(sys.version_info[1])"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == str(minor)


def _made_for(folder: Path) -> object:
    try:
        return json.loads((folder / READY).read_text())
    except (OSError, ValueError):
        return None


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALLATION_LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise SkippedError(f"installing took more than {INSTALLATION_LIMIT} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise SkippedError(f"can't be installed here: {said[-1].strip()}")
