"""Draws the pictures of the docs: ``python docs/pictures/draw.py``. What they show is in scenes.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from scenes import BOX_HEIGHT, PICTURES, Job, Picture, Scene

from rqdeps.graph.looks import LOOKS
from rqdeps.status import JobStatus

_GAP = 12

#: The mark of each status, as the outline of one in a field of 14 by 14: no font has all of them.
_CIRCLE = "M7 2.5a4.5 4.5 0 1 0 .01 0z"
_MARKS = {
    "deferred": _CIRCLE,
    "queued": _CIRCLE,
    "started": "M4 2.5L11.5 7L4 11.5z",
    "joining": "M7 12V8.5C7 5.5 3 6 3 2M7 8.5C7 5.5 11 6 11 2",
    "finished": "M2 7.5L5.5 11L12 3.5",
    "failed": "M3 3L11 11M11 3L3 11",
    "upstream_failed": "M2 3.5H12L7 11.5z",
    "skipped": "M2 10C3 3.5 10 3.5 11.5 8M12 4.5V8.5H8",
}
_FILLED = ("queued", "started")

#: The colours of lines, marks and words of each status on light ground; then those of its box and these on dark ground.
_COLOURS = {
    "deferred": ("#57606a", "#2d333b", "#adb6c0"),
    "queued": ("#0b6478", "#0f3a47", "#67d5ee"),
    "started": ("#0a4aa3", "#15387a", "#a5c9ff"),
    "joining": ("#0a4aa3", "#1b2f55", "#a5c9ff"),
    "finished": ("#116329", "#12411f", "#7ee08f"),
    "failed": ("#a40e26", "#6e1a1f", "#ffb3ad"),
    "upstream_failed": ("#a40e26", "#43201f", "#ff9d95"),
    "skipped": ("#57606a", "#161b22", "#adb6c0"),
}

_STYLE = """\
text { font: 600 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }
.caption, .note { font: 12.5px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
.caption { font-weight: 600 }
.status { font-size: 10.5px; font-weight: 400 }
.middle { text-anchor: middle }
.note { font-size: 11px; text-anchor: end }
.ground { fill: #fbfcfd; stroke: #d8dee4 }
.edge { fill: none; stroke: #7b858f; stroke-width: 1.5 }
.tip { fill: #7b858f }
.dashed { stroke-dasharray: 4 3 }
.label { fill: #fbfcfd; stroke: #c4ccd4 }
.box { stroke-width: 1.2 }
.mark { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round }
"""
_DARK = """\
text { fill: #f0f6fc }
.ground { fill: #161b22; stroke: #30363d }
.edge { stroke: #8b949e }
.tip { fill: #8b949e }
.label { fill: #161b22; stroke: #444c56 }
"""


def svg(picture: Picture) -> str:
    """A picture as SVG, which has a ground of its own, light or dark, so that it is legible on any page."""
    count = len(picture.scenes)
    width = count * picture.width + (count - 1) * _GAP
    size = f'width="{width}" height="{picture.height}" viewBox="0 0 {width} {picture.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(picture.title)}</title>",
        f"<style>\n{_style(picture)}</style>",
    ]
    for place, scene in enumerate(picture.scenes):
        lines.append(f'<g transform="translate({place * (picture.width + _GAP)} 0)">')
        lines += _scene(picture, scene)
        lines.append("</g>")
    return "\n".join([*lines, "</svg>", ""])


def _style(picture: Picture) -> str:
    """The rules for what a picture shows, on light ground and on dark."""
    jobs = [job for scene in picture.scenes for job in _with_inner(scene.jobs)]
    light, dark = _STYLE, _DARK
    for status in sorted({job.status for job in jobs}):
        ink, dark_fill, dark_ink = _COLOURS[status]
        light += _rules(status, LOOKS[JobStatus(status)].fill, ink)
        dark += _rules(status, dark_fill, dark_ink)
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _rules(status: str, fill: str, ink: str) -> str:
    rules = f".{status} .box {{ fill: {fill}; stroke: {ink} }}\n"
    rules += f".{status} .mark {{ stroke: {ink}{f'; fill: {ink}' if status in _FILLED else ''} }}\n"
    return rules + f".{status} .status {{ fill: {ink} }}\n"


def _with_inner(jobs: tuple[Job, ...]) -> list[Job]:
    """Jobs, and those that they hold."""
    return [each for job in jobs for each in (job, *job.holds)]


def _scene(picture: Picture, scene: Scene) -> Iterator[str]:
    yield (f'<rect class="ground" x=".5" y=".5" width="{picture.width - 1}" height="{picture.height - 1}" rx="10"/>')
    if scene.caption:
        yield f'<text class="caption middle" x="{picture.width / 2:g}" y="23">{escape(scene.caption)}</text>'
    jobs = _with_inner(scene.jobs)
    yield from (line for job in jobs for line in _box(job, shows_rule=picture.shows_rules))
    yield from _edges(picture, jobs)


def _box(job: Job, *, shows_rule: bool) -> Iterator[str]:
    """A job: its mark, name and status; those of one that holds others stand in its first line."""
    left, is_frame = job.x - job.width / 2, job.height > BOX_HEIGHT
    name_at, status_at = (left + 28, job.y + 19), (left + 28, job.y + 34)
    mark_at = (left + 8, job.y + BOX_HEIGHT / 2 - 7)
    dashes = ' stroke-dasharray="3 3"' if job.status in ("deferred", "skipped") else ""
    if is_frame:
        status_at, mark_at = (left + 36 + 7.3 * len(job.name), job.y + 19), (left + 8, job.y + 8)
    yield f'<g class="{job.status}">'
    yield (f'<rect class="box" x="{left:g}" y="{job.y}" width="{job.width}" height="{job.height}" rx="8"{dashes}/>')
    yield f'<path class="mark" transform="translate({mark_at[0]:g} {mark_at[1]:g})" d="{_MARKS[job.status]}"/>'
    yield f'<text x="{name_at[0]:g}" y="{name_at[1]:g}">{escape(job.name)}</text>'
    yield f'<text class="status" x="{status_at[0]:g}" y="{status_at[1]:g}">{job.status}</text>'
    yield "</g>"
    note = "fallback" if job.fallback_of else job.rule
    if note != "all_success" and shows_rule:
        yield f'<text class="note" x="{left + job.width:g}" y="{job.y + job.height + 14}">{note}</text>'


def _edges(picture: Picture, jobs: list[Job]) -> Iterator[str]:
    """What waits for what. Where a fallback decides, it is what is waited for."""
    named = {job.name: job for job in jobs}
    fallbacks = {job.fallback_of: job for job in jobs if job.fallback_of}
    for job in jobs:
        if job.fallback_of:
            yield from _edge_right(named[job.fallback_of], job, kind=" dashed")
        for place, name in enumerate(job.after):
            dependency = named[name]
            stands_in = fallbacks.get(name) if dependency.status == "failed" else None
            shift = 14 * (place - (len(job.after) - 1) / 2)
            if picture.goes_right or dependency.y == job.y:
                yield from _edge_right(dependency, job, shift, label=dependency.gives)
            elif stands_in is not None:
                yield from _edge_down(stands_in, job, shift, kind=" dashed")
            else:
                yield from _edge_down(dependency, job, shift)


def _edge_down(above: Job, below: Job, shift: float, kind: str = "") -> Iterator[str]:
    top, bottom = above.y + above.height, below.y
    x, middle = below.x + shift, (top + bottom) / 2
    yield f'<path class="edge{kind}" d="M{above.x} {top}C{above.x} {middle:g} {x:g} {middle:g} {x:g} {bottom - 6}"/>'
    yield f'<path class="tip" d="M{x:g} {bottom - 1}l-4 -7h8z"/>'


def _edge_right(before: Job, after: Job, shift: float = 0, label: str = "", kind: str = "") -> Iterator[str]:
    left, right = before.x + before.width / 2, after.x - after.width / 2
    start, end = before.y + BOX_HEIGHT / 2, after.y + BOX_HEIGHT / 2 + shift
    bend = (left + right) / 2
    curve = f"M{left:g} {start:g}C{bend:g} {start:g} {bend:g} {end:g} {right - 6:g} {end:g}"
    yield f'<path class="edge{kind}" d="{curve}"/>'
    yield f'<path class="tip" d="M{right - 1:g} {end:g}l-7 -4v8z"/>'
    if label:
        yield from _label(label, bend - 3, (start + end) / 2)


def _label(text: str, x: float, y: float) -> Iterator[str]:
    """What passes along an edge, upon it."""
    width = 14 + 7.3 * len(text)
    yield f'<rect class="label" x="{x - width / 2:g}" y="{y - 10:g}" width="{width:g}" height="20" rx="10"/>'
    yield f'<text class="middle" x="{x:g}" y="{y + 4:g}">{escape(text)}</text>'


if __name__ == "__main__":
    for name, picture in PICTURES.items():
        (Path(__file__).parent / f"{name}.svg").write_text(svg(picture), "utf-8")
    sys.stdout.write(f"{len(PICTURES)} pictures\n")
