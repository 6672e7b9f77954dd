"""The chaos suite in short; and that the faults by which it is tested can still be put in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import servers
from chaos import faults
from chaos.schedule import schedule

import rqdeps

SEED = os.environ.get("RQDEPS_CHAOS_SEED", "1")
MINUTES = 0.3

PACKAGE = Path(rqdeps.__file__).parent


@pytest.mark.skipif(sys.platform != "linux", reason="it finds a worker's processes under /proc")
def test_nothing_is_lost_or_run_early_while_everything_breaks() -> None:
    try:
        servers.VALKEY_9.find()
    except servers.ServerMissingError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "chaos", "--minutes", str(MINUTES), "--seed", SEED]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    rows = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in done.stdout.splitlines())
    assert int(rows["runs"]) > 100
    assert int(rows["requests cut"]) > 0
    assert rows["lost"] == rows["unexpected"] == rows["early"] == "0"


def test_a_seed_makes_the_same_schedule_again() -> None:
    first = schedule(7, 600)
    assert first == schedule(7, 600)
    assert first != schedule(8, 600)
    assert {what.kind for what in first} >= {"kill worker", "pause worker", "restart server", "pause server", "cut"}


@pytest.mark.parametrize("name", faults.FAULTS)
def test_each_fault_changes_the_code(name: str) -> None:
    for patch in faults.FAULTS[name]:
        assert patch.applied(PACKAGE) != (PACKAGE / patch.file).read_text("utf-8")


def test_a_fault_whose_place_is_gone_is_an_error() -> None:
    with pytest.raises(faults.StalePatchError, match="0 times"):
        faults.Patch("errors.py", "no such text", "").applied(PACKAGE)
