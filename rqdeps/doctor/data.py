"""Checks of the data: whether all jobs will be run, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rqdeps.doctor.data_facts import DataFacts
from rqdeps.doctor.data_jobs import check_deferred, check_failed, check_held, check_queues, check_rootless
from rqdeps.doctor.data_workers import (
    check_clock,
    check_maintenance,
    check_news,
    check_silent_workers,
    check_unknown_queues,
    check_versions,
    check_workers,
)
from rqdeps.doctor.findings import Finding

_CHECKS: Final[Sequence[Callable[[DataFacts], Iterator[Finding]]]] = (
    check_workers,
    check_silent_workers,
    check_versions,
    check_unknown_queues,
    check_maintenance,
    check_clock,
    check_queues,
    check_held,
    check_deferred,
    check_failed,
    check_rootless,
    check_news,
)


def check_data(facts: DataFacts) -> list[Finding]:
    """All checks of the data, given what was read of it."""
    return [finding for check in _CHECKS for finding in check(facts)]


def confirmed(first: Sequence[Finding], second: Sequence[Finding]) -> list[Finding]:
    """The findings of the second of two looks, but for trouble that the first did not see: that may pass too."""
    seen = {finding.key for finding in first if finding.is_trouble}
    return [finding for finding in second if not finding.is_trouble or finding.key in seen]
