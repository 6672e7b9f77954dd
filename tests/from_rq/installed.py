"""The names of RQ as it is installed, in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rq_environments import RQ, environment, surroundings

from from_rq.names import Name, read


def installed_names() -> list[Name]:
    """All public names of RQ."""
    program = Path(__file__).with_name("names.py")
    done = subprocess.run([environment(RQ), program], capture_output=True, text=True, check=True, env=surroundings())
    return read(done.stdout)
