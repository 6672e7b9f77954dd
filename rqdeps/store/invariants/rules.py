"""The trigger rules by their definitions, apart from the scripts that are to follow them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

#: Rules that a failure can spoil: a job whose group can't be met then ends as upstream_failed.
_SPOILED_BY_FAILURE: Final = frozenset(
    {"all_success", "one_success", "none_failed", "none_failed_min_one_success", "all_done_min_one_success"}
)
_FINISHED, _FAILED, _SKIPPED, _WAITING = "finished", "failed", "skipped", ""
#: How many waiting dependencies are looked at: three can end in all the ways that matter, and more can do nothing else.
_ENOUGH_WAITING: Final = 3


@dataclass(frozen=True)
class Group:
    """A group of dependencies: its rule, and how many of them ended how."""

    rule: str
    finished: int
    failed: int
    skipped: int
    waiting: int

    @property
    def total(self) -> int:
        """How many dependencies the group has."""
        return self.finished + self.failed + self.skipped + self.waiting

    @classmethod
    def of(cls, rule: str, outcomes: Iterable[str]) -> Group:
        """A group with these outcomes, which are terminal statuses, or empty for those that wait.

        A fallback is for a job that failed itself; any other end means to it that it is not needed.
        """
        if rule == "fallback":
            outcomes = [outcome if outcome in (_FAILED, _WAITING) else _SKIPPED for outcome in outcomes]
        counts = Counter(outcome if outcome in (_FINISHED, _SKIPPED, _WAITING) else _FAILED for outcome in outcomes)
        return cls(rule, counts[_FINISHED], counts[_FAILED], counts[_SKIPPED], counts[_WAITING])

    @property
    def is_met(self) -> bool:
        """Whether the rule is met now. A group is empty once those it waited for are deleted and it was let go."""
        if self.total == 0:
            return True
        return {
            "all_success": self.finished == self.total,
            "all_failed": self.failed == self.total,
            "all_done": self.waiting == 0,
            "one_success": self.finished >= 1,
            "one_failed": self.failed >= 1,
            "one_done": self.finished + self.failed >= 1,
            "none_failed": self.waiting == 0 and self.failed == 0,
            "none_failed_min_one_success": self.waiting == 0 and self.failed == 0 and self.finished >= 1,
            "none_skipped": self.waiting == 0 and self.skipped == 0,
            "all_done_min_one_success": self.waiting == 0 and self.finished >= 1,
            "fallback": self.failed >= 1,
        }[self.rule]


@cache
def _ends(group: Group) -> frozenset[str]:
    """All that can still become of a group, over every way in which those that wait may end."""
    waiting = min(group.waiting, _ENOUGH_WAITING)
    found = set()
    for outcomes in product((_FINISHED, _FAILED, _SKIPPED), repeat=waiting):
        ended = Group(
            group.rule,
            group.finished + outcomes.count(_FINISHED),
            group.failed + outcomes.count(_FAILED),
            group.skipped + outcomes.count(_SKIPPED),
            0,
        )
        if ended.is_met:
            found.add("met")
        elif ended.failed and ended.rule in _SPOILED_BY_FAILURE:
            found.add("upstream_failed")
        else:
            found.add("skipped")
    return frozenset(found)


def joined(groups: Iterable[Group], *, is_stopped: bool) -> str:
    """What the groups that a job joins mean for it once it has run.

    Nothing until all of them have ended. Then the rules decide; but a job that a person has stopped ends as that,
    unless all that it joins has finished.

    Returns:
        ``finished``, ``joining``, ``upstream_failed``, ``skipped`` or ``stopped``.
    """
    groups = list(groups)
    if any(group.waiting for group in groups):
        return "joining"
    if is_stopped and any(group.finished < group.total for group in groups):
        return "stopped"
    return "finished" if all(group.is_met for group in groups) else verdict(groups)


def verdict(groups: Iterable[Group]) -> str:
    """What a job's groups mean for it, by going through everything that may still happen.

    Returns:
        ``queued`` if all rules are met; ``upstream_failed`` if that is the only end; ``skipped`` if the job can't run
        any more and nothing that waits could make it ``upstream_failed``; else ``deferred``.
    """
    groups = list(groups)
    ends = [_ends(group) for group in groups]
    if all(group.is_met for group in groups):
        return "queued"
    if {"upstream_failed"} in ends:
        return "upstream_failed"
    can_run = all("met" in each for each in ends)
    may_fail = any("upstream_failed" in each for each in ends)
    return "deferred" if can_run or may_fail else "skipped"
