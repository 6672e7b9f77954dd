"""The results as a table in Markdown: a row a figure, a column a queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.figures import MEASUREMENTS, Figure, Measurement
from benchmarks.results import Results, Subject
from benchmarks.spread import Spread

#: Below this many, a number is written with decimals.
WHOLE = 100

HEAD = """# Benchmarks

Medians, with the lowest and the highest of all repetitions in brackets. In the columns of other queues, × tells how
many times as good rqdeps is: more than 1 is in its favour, less is in theirs.
"""


def markdown(results: Results) -> str:
    """All as Markdown."""
    subjects = [subject for subject in results.subjects if not subject.skipped]
    parts = [HEAD, *(f"- {title}: {value}" for title, value in results.about.items()), ""]
    parts += _figures(results, subjects)
    parts += [
        "## Queues",
        "",
        "| queue | version | Python | settings | does not do |",
        "| --- | --- | --- | --- | --- |",
    ]
    parts += [_subject_row(subject) for subject in results.subjects]
    return "\n".join(parts) + "\n"


def number(value: float) -> str:
    """A number with about three digits, or all of a large one."""
    if value == 0 or abs(value) >= WHOLE:
        return f"{value:,.0f}"
    return f"{float(f'{value:.2g}' if abs(value) < 1 else f'{value:.3g}'):g}"


def cell(spread: Spread) -> str:
    """A median, with the spread if there is any."""
    if spread.lowest == spread.highest:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.lowest)}–{number(spread.highest)})"


def advantage(figure: Figure, ours: Spread | None, theirs: Spread) -> str:
    """How many times as good our median is as theirs."""
    if not ours or ours.median <= 0 or theirs.median <= 0:
        return ""
    ratio = ours.median / theirs.median if figure.better == "higher" else theirs.median / ours.median
    return f" **×{number(ratio)}**"


def _figures(results: Results, subjects: Sequence[Subject]) -> Iterator[str]:
    section = ""
    for measurement in MEASUREMENTS:
        if not any(each.measurement == measurement.name for each in results.measured):
            continue
        if measurement.section != section:
            if section:
                yield ""
            section = measurement.section
            yield from (f"## {section}", "")
            yield "| | " + " | ".join(subject.name for subject in subjects) + " |"
            yield "| --- |" + " --- |" * len(subjects)
        for figure in measurement.figures:
            unit = f" ({figure.unit})" if figure.unit else ""
            cells = [_cell(results, subjects[0], subject, measurement, figure) for subject in subjects]
            yield f"| {figure.title}{unit} | " + " | ".join(cells) + " |"
    yield ""


def _cell(results: Results, ours: Subject, subject: Subject, measurement: Measurement, figure: Figure) -> str:
    obstacles = list(results.obstacles(subject.name, measurement.name))
    words = _escaped("; ".join(dict.fromkeys(each.lacks or each.error for each in obstacles)))
    spread = results.spread(subject.name, figure.name)
    if not spread:
        return words or "–"
    text = cell(spread)
    if subject is not ours:
        text += advantage(figure, results.spread(ours.name, figure.name), spread)
    return f"{text}; then {words}" if words else text


def _subject_row(subject: Subject) -> str:
    if subject.skipped:
        return f"| {subject.name} | not measured: {_escaped(subject.skipped)} | | | |"
    words = (subject.version, subject.python, subject.settings, subject.lacks or "–")
    return f"| {subject.name} | " + " | ".join(map(_escaped, words)) + " |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
