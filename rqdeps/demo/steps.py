"""The steps of the demo's pipeline: plain functions in a module that workers can import."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics
from string import Template
from typing import TypedDict

from rqdeps import get_current_job
from rqdeps.demo.text import best_of, sections_of, sentences_of

#: One job takes the outputs of all sections, and a job has at most some hundred dependencies in this release.
MOST_SECTIONS = 200


class Summary(TypedDict):
    """What a section says, in sentences of its own."""

    title: str
    sentences: list[str]


class Overview(TypedDict):
    """All summaries, and those that stand for most of the others."""

    highlights: list[Summary]
    summaries: list[Summary]


def python_topics() -> str:
    """The language reference that comes with every Python, about 460,000 characters."""
    return "\n\n".join(dict.fromkeys(topics.values()))


def split(texts: Sequence[str], folder: Path) -> list[Path]:
    """Writes the sections of texts into files of their own, in a new folder below this one."""
    sections = [section for text in texts for section in sections_of(text)]
    while len(sections) > MOST_SECTIONS:
        pairs = [sections[place : place + 2] for place in range(0, len(sections), 2)]
        sections = [(pair[0][0], "".join(text for _, text in pair)) for pair in pairs]
    folder.mkdir(parents=True, exist_ok=True)
    files = Path(tempfile.mkdtemp(prefix="sections-", dir=folder))
    paths = []
    for number, (title, text) in enumerate(sections, 1):
        paths.append(files / f"{number:03}.txt")
        paths[-1].write_text(f"{title or f'Section {number}'}\n{text}", encoding="utf-8")
    return paths


def summarise(section: Path) -> Summary:
    """Picks the two sentences of a section that say most."""
    title, _, text = section.read_text(encoding="utf-8").partition("\n")
    return {"title": title, "sentences": best_of(sentences_of(text), 2)}


def combine(summaries: list[Summary]) -> Overview:
    """Picks the five sections that stand for most of the others."""
    leading = {summary["sentences"][0]: summary for summary in summaries if summary["sentences"]}
    highlights = [leading[sentence] for sentence in best_of(list(leading), 5)]
    return {"highlights": highlights, "summaries": summaries}


def fetch_template() -> str:
    """Simulates the download of the report's template: fails twice, until no retry is left."""
    job = get_current_job()
    if job is not None and job.retries_left:
        raise ConnectionError("simulated: no answer from the template server")
    return "> $quote\n\n# In short\n\n$highlights\n\n## Section by section\n\n$summaries\n"


def fetch_quote() -> str:
    """Simulates the download of a quote to begin the report with, from a server that is gone for good."""
    raise ConnectionError("simulated: there is no quote server any more")


def quote_at_hand() -> str:
    """Stands in for the quote that could not be had."""
    return "Errors should never pass silently. (Tim Peters, The Zen of Python)"


def render(overview: Overview, template: str, quote: str, folder: Path) -> Path:
    """Writes the report."""
    text = Template(template).substitute(
        quote=quote,
        highlights="\n".join(map(_line_of, overview["highlights"])),
        summaries="\n".join(map(_line_of, overview["summaries"])),
    )
    report = folder / "report.md"
    report.write_text(text, encoding="utf-8")
    return report


def _line_of(summary: Summary) -> str:
    return f"- **{summary['title']}** {' '.join(summary['sentences']) or '(nothing that reads as prose)'}"


def publish(report: Path, site: Path) -> Path:
    """Copies the report to where a web server would find it: a folder that a person has to make."""
    if not site.is_dir():
        raise FileNotFoundError(f"there is no folder {site}")
    return Path(shutil.copy(report, site))


def announce(page: Path) -> str:
    """Tells the world."""
    return f"The report is out: {page}"


def clean_up(sections: list[Path]) -> int:
    """Removes the files of the sections, and tells how many there were. Runs also when a step before has failed."""
    left = [section for section in sections if section.exists()]
    for folder in {section.parent for section in left}:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)
