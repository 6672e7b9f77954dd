"""The results as a plot: a panel of bars for each of the main figures, as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from benchmarks.figures import MEASUREMENTS, Figure
from benchmarks.results import Results
from benchmarks.table import number

#: In pixels.
PANEL_WIDTH, NAME_WIDTH, VALUE_WIDTH = 520, 90, 80
BAR_HEIGHT, BAR_GAP, TITLE_HEIGHT, MARGIN = 14, 4, 30, 16
COLUMNS = 2

OUR_COLOUR, THEIR_COLOUR = "#c2410c", "#94a3b8"

STYLE = "text { font: 11px sans-serif; fill: #1e293b } .title { font-weight: bold }"


def svg(results: Results) -> str:
    """All main figures that were measured."""
    names = [subject.name for subject in results.subjects if not subject.skipped]
    panels = []
    for figure in (each for measurement in MEASUREMENTS for each in measurement.figures if each.in_plot):
        bars = [(name, spread.median) for name in names if (spread := results.spread(name, figure.name))]
        if bars:
            panels.append((figure, bars))
    height = max((len(bars) for _, bars in panels), default=0) * (BAR_HEIGHT + BAR_GAP) + TITLE_HEIGHT + MARGIN
    rows = -(-len(panels) // COLUMNS)
    width, whole_height = COLUMNS * PANEL_WIDTH + MARGIN, rows * height + MARGIN
    size = f'width="{width}" height="{whole_height}"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {whole_height}">',
        f"<style>{STYLE}</style>",
        f'<rect {size} fill="white"/>',
    ]
    for place, (figure, bars) in enumerate(panels):
        x, y = place % COLUMNS * PANEL_WIDTH + MARGIN, place // COLUMNS * height + MARGIN
        drawn += [f'<g transform="translate({x} {y})">', *_panel(figure, bars, results.subjects[0].name), "</g>"]
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _panel(figure: Figure, bars: list[tuple[str, float]], ours: str) -> Iterator[str]:
    unit = f"{figure.unit}, " if figure.unit else ""
    yield f'<text class="title" y="12">{escape(figure.title)} ({escape(unit)}{figure.better} is better)</text>'
    longest = max(value for _, value in bars) or 1
    room = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH
    for place, (name, value) in enumerate(bars):
        y = TITLE_HEIGHT - 8 + place * (BAR_HEIGHT + BAR_GAP)
        length = max(1, round(room * value / longest))
        colour = OUR_COLOUR if name == ours else THEIR_COLOUR
        base = y + BAR_HEIGHT - 3
        yield f'<text x="{NAME_WIDTH - 6}" y="{base}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{NAME_WIDTH}" y="{y}" width="{length}" height="{BAR_HEIGHT}" fill="{colour}"/>'
        yield f'<text x="{NAME_WIDTH + length + 5}" y="{base}">{number(value)}</text>'
