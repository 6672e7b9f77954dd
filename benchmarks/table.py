"""The results as a table in Markdown: a row a figure, a column a queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.figures import MEASUREMENTS, Figure, Measurement, release
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
    names = {each.measurement for each in results.measured}
    measured = [measurement for measurement in MEASUREMENTS if measurement.name in names]
    for section, measurements in groupby(measured, lambda measurement: measurement.section):
        yield from (f"## {section}", "")
        yield "| | " + " | ".join(subject.name for subject in subjects) + " |"
        yield "| --- |" + " --- |" * len(subjects)
        for measurement in measurements:
            for figure in measurement.figures:
                unit = f" ({figure.unit})" if figure.unit else ""
                cells = [_cell(results, subjects[0], subject, measurement, figure) for subject in subjects]
                yield f"| {figure.title}{unit} | " + " | ".join(cells) + " |"
        if section == release.EDGES:
            cells = [_unevenness(results, subject) for subject in subjects]
            yield f"| the dearest edge over the cheapest (1 is flat) | {' | '.join(cells)} |"
        yield ""


def _unevenness(results: Results, subject: Subject) -> str:
    """How much more an edge costs at one width than at another; 1 where it is the same at all."""
    spreads = [results.spread(subject.name, name) for name in release.EDGE_FIGURES]
    medians = [spread.median for spread in spreads if spread]
    return number(max(medians) / min(medians)) if len(medians) > 1 else "–"


def _cell(results: Results, ours: Subject, subject: Subject, measurement: Measurement, figure: Figure) -> str:
    obstacles = [each for each in results.obstacles(subject.name, measurement.name) if figure.name not in each.figures]
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
