"""Processes that wait for the task that they were forked for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rqdeps.worker.messages import Task
from rqdeps.worker.spare import Spare, WaitForTask


def spare(path: Path) -> Spare:
    """One that writes down the task that it gets."""

    def live(wait_for_task: WaitForTask) -> None:
        try:
            turn = wait_for_task()
            path.write_text("nothing" if turn is None else f"{turn[0]} {turn[1].job_id} {len(turn[1].payload)}")
        finally:
            os._exit(7)

    return Spare(live)  # type: ignore[arg-type]


def descriptors() -> list[str]:
    return sorted(os.listdir("/dev/fd"))


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_it_gets_a_task_of_any_size(tmp_path: Path, size: int) -> None:
    before = descriptors()
    process = spare(tmp_path / "task")
    process.give(5, Task("a", "work", "steps.echo", b"x" * size, 1, 1, 1_000))
    assert process.wait() == 7 << 8
    assert (tmp_path / "task").read_text() == f"5 a {size}"
    assert descriptors() == before


def test_one_that_is_not_needed_ends(tmp_path: Path) -> None:
    assert spare(tmp_path / "task").wait() == 7 << 8
    assert (tmp_path / "task").read_text() == "nothing"


def test_one_that_was_killed_can_be_given_a_task(tmp_path: Path) -> None:
    process = spare(tmp_path / "task")
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.give(5, Task("a", "work", "steps.echo", b"x" * 3_000_000, 1, 1, 1_000))
    assert process.wait() == signal.SIGKILL
    assert not (tmp_path / "task").exists()


def test_one_that_can_not_be_forked_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fork() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    before = descriptors()
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(BlockingIOError):
        spare(tmp_path / "task")
    assert descriptors() == before
