"""What the pictures show: jobs, what they wait for, what becomes of them. The tests play it all on the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rqdeps.dependency import Rule

#: How high the box of a job is, and how wide a third and a half of a picture.
BOX_HEIGHT = 44
THIRD = 232
HALF = 354
WHOLE = 720


@dataclass(frozen=True)
class Job:
    """A job in a scene.

    Attributes:
        name: its function; a workflow's or map's own job is named after that.
        status: its status.
        x: where its middle is.
        y: where its upper edge is.
        after: the jobs that it waits for.
        rule: by which trigger rule.
        fallback_of: the job that it stands in for.
        gives: what it returns, as Python writes it, where that is shown.
        width: how wide its box is.
        height: how high; the box of one that holds others is higher.
        holds: the jobs that it joins.
    """

    name: str
    status: str
    x: int
    y: int
    after: tuple[str, ...] = ()
    rule: Rule = "all_success"
    fallback_of: str = ""
    gives: str = ""
    width: int = 102
    height: int = BOX_HEIGHT
    holds: tuple[Job, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Jobs at one moment.

    Attributes:
        caption: what to see there.
        jobs: the jobs; each after those that it waits for.
        requeued: the job whose requeueing has led here from the scene before.
    """

    caption: str
    jobs: tuple[Job, ...]
    requeued: str = ""


@dataclass(frozen=True)
class Picture:
    """Scenes side by side.

    Attributes:
        title: what they are about.
        scenes: the scenes.
        width: how wide each is.
        height: how high.
        goes_right: whether what waits stands to the right of what it waits for, and not below it.
        shows_rules: whether rules stand with the jobs that have others than the default.
    """

    title: str
    scenes: tuple[Scene, ...]
    width: int = THIRD
    height: int = 178
    goes_right: bool = False
    shows_rules: bool = True


#: For each rule a dependent, and three situations: what to see there, how its two dependencies stand, and what becomes
#: of it.
RULES: dict[Rule, tuple[str, tuple[tuple[str, str, str, str], ...]]] = {
    "all_success": (
        "report",
        (
            ("all finished: it runs", "finished", "finished", "queued"),
            ("one failed: it can't any more", "started", "failed", "upstream_failed"),
            ("one was skipped: nor can it", "finished", "skipped", "skipped"),
        ),
    ),
    "all_failed": (
        "call_for_help",
        (
            ("all failed: it runs", "failed", "failed", "queued"),
            ("one failed: it waits", "failed", "started", "deferred"),
            ("one finished: no need for it", "finished", "started", "skipped"),
        ),
    ),
    "all_done": (
        "clean_up",
        (
            ("all ended: it runs", "finished", "failed", "queued"),
            ("in whatever way", "failed", "skipped", "queued"),
            ("one still runs: it waits", "failed", "started", "deferred"),
        ),
    ),
    "one_success": (
        "publish",
        (
            ("one finished: it runs at once", "finished", "started", "queued"),
            ("one failed: it waits", "failed", "started", "deferred"),
            ("none finished: it can't", "failed", "failed", "upstream_failed"),
        ),
    ),
    "one_failed": (
        "alert",
        (
            ("one failed: it runs at once", "failed", "started", "queued"),
            ("one finished: it waits", "finished", "started", "deferred"),
            ("none failed: no need for it", "finished", "finished", "skipped"),
        ),
    ),
    "one_done": (
        "stop_the_clock",
        (
            ("one finished: it runs at once", "finished", "started", "queued"),
            ("one failed: it runs as well", "failed", "started", "queued"),
            ("none ran: nor does it", "skipped", "skipped", "skipped"),
        ),
    ),
    "none_failed": (
        "merge",
        (
            ("none failed: it runs", "finished", "skipped", "queued"),
            ("one failed: it can't any more", "failed", "started", "upstream_failed"),
            ("all skipped: it runs", "skipped", "skipped", "queued"),
        ),
    ),
    "none_failed_min_one_success": (
        "merge",
        (
            ("none failed: it runs", "finished", "skipped", "queued"),
            ("one failed: it can't any more", "failed", "started", "upstream_failed"),
            ("all skipped: so is it", "skipped", "skipped", "skipped"),
        ),
    ),
    "none_skipped": (
        "compare",
        (
            ("all ran: it runs", "finished", "failed", "queued"),
            ("one still runs: it waits", "failed", "started", "deferred"),
            ("one was skipped: so is it", "skipped", "started", "skipped"),
        ),
    ),
    "all_done_min_one_success": (
        "report",
        (
            ("all ended, one finished: runs", "finished", "failed", "queued"),
            ("one still runs: it waits", "finished", "started", "deferred"),
            ("none finished: it can't", "failed", "skipped", "upstream_failed"),
        ),
    ),
}


def _rule_scene(rule: Rule, dependent: str, situation: tuple[str, str, str, str]) -> Scene:
    caption, north, south, becomes = situation
    waits = Job(dependent, becomes, 116, 118, after=("north", "south"), rule=rule, width=142)
    return Scene(caption, (Job("north", north, 61, 38), Job("south", south, 171, 38), waits))


def _fallback_scene(caption: str, charge: str, refund: str, receipt: str) -> Scene:
    return Scene(
        caption,
        (
            Job("charge", charge, 57, 38, width=94),
            Job("refund", refund, 175, 38, fallback_of="charge", width=94),
            Job("receipt", receipt, 116, 126, after=("charge",), width=142),
        ),
    )


_AFTER_FAILURE = (
    Job("extract", "failed", 177, 38, width=142),
    Job("transform", "upstream_failed", 98, 118, after=("extract",), width=142),
    Job("alert", "finished", 256, 118, after=("extract",), rule="one_failed", width=142),
    Job("load", "upstream_failed", 98, 198, after=("transform",), width=142),
)

_STANDS_AFTER_REQUEUE = {"extract": "queued", "transform": "deferred", "load": "deferred"}


def _map_scene(caption: str, split: str, own: str, combine: str, elements: tuple[str, ...]) -> Scene:
    holds = tuple(Job("summarise", status, 70 + 107 * place, 148) for place, status in enumerate(elements))
    spread = Job("map", own, 177, 138, after=("split",), width=142)
    if holds:
        spread = replace(spread, y=118, width=330, height=84, holds=holds)
    return Scene(
        caption,
        (
            Job("split", split, 177, 38, width=142),
            spread,
            Job("combine", combine, 177, 238, after=("map",), width=142),
        ),
    )


def _workflow_scene(caption: str, load: str, nightly: str, archive: str) -> Scene:
    holds = (Job("extract", "finished", 97, 70, width=128), Job("load", load, 257, 70, after=("extract",), width=128))
    return Scene(
        caption,
        (
            Job("nightly", nightly, 177, 40, width=330, height=84, holds=holds),
            Job("archive", archive, 177, 160, after=("nightly",), width=142),
        ),
    )


PICTURES: dict[str, Picture] = {
    rule: Picture(rule, tuple(_rule_scene(rule, dependent, each) for each in situations), shows_rules=False)
    for rule, (dependent, situations) in RULES.items()
} | {
    "graph": Picture(
        "A graph of jobs",
        (
            Scene(
                "",
                (
                    Job("extract", "finished", 86, 84, width=128),
                    Job("transform", "finished", 268, 22, after=("extract",), width=128),
                    Job("load", "started", 450, 146, after=("transform", "extract"), width=128),
                    Job("clean_up", "deferred", 634, 84, ("transform", "extract", "load"), "all_done", width=128),
                    Job("charge", "failed", 86, 194, width=128),
                    Job("refund", "started", 268, 194, fallback_of="charge", width=128),
                ),
            ),
        ),
        width=WHOLE,
        height=268,
        goes_right=True,
    ),
    "outputs": Picture(
        "Outputs passed along",
        (
            Scene(
                "",
                (
                    Job("extract", "finished", 100, 68, gives="[3, 5]", width=142),
                    Job("total", "finished", 360, 24, after=("extract",), gives="8", width=142),
                    Job("forecast", "failed", 360, 112, after=("extract",), gives="None", width=142),
                    Job("report", "finished", 620, 68, after=("total", "forecast"), width=142),
                ),
            ),
        ),
        width=WHOLE,
        height=180,
        goes_right=True,
    ),
    "fallback": Picture(
        "A fallback stands in",
        (
            _fallback_scene("charge finished: no need for it", "finished", "skipped", "queued"),
            _fallback_scene("charge failed: refund decides", "failed", "started", "deferred"),
            _fallback_scene("refund finished: that counts", "failed", "finished", "queued"),
        ),
        height=186,
    ),
    "upstream_failed": Picture(
        "A failure runs down the graph, and a requeue arms it again",
        (
            Scene("extract failed", _AFTER_FAILURE),
            Scene(
                "extract was requeued",
                tuple(replace(job, status=_STANDS_AFTER_REQUEUE.get(job.name, job.status)) for job in _AFTER_FAILURE),
                requeued="extract",
            ),
        ),
        width=HALF,
        height=258,
    ),
    "map": Picture(
        "A map over what a job returns",
        (
            _map_scene("how many is not known yet", "started", "deferred", "deferred", ()),
            _map_scene("split returned three", "finished", "joining", "deferred", ("finished", "started", "queued")),
        ),
        width=HALF,
        height=298,
    ),
    "workflow": Picture(
        "A workflow waits for its members",
        (
            _workflow_scene("a member still runs", "started", "joining", "deferred"),
            _workflow_scene("a member failed", "failed", "failed", "upstream_failed"),
        ),
        width=HALF,
        height=220,
    ),
}
