"""What a map runs: it spawns a job for each of its items."""

from __future__ import annotations

from typing import Any

from rqdeps.dependency import Rule, guarantees_success
from rqdeps.enqueue_data import FunctionCall
from rqdeps.job import get_current_job
from rqdeps.mapping import listed, restored_fallback
from rqdeps.options import JobOptions
from rqdeps.retry import DoNotRetry


class NoItemsError(DoNotRetry):
    """What was to be mapped over is no list."""


def spread(
    func: str,
    items: object,
    args: list[Any],
    kwargs: dict[str, Any],
    rule: Rule,
    options: dict[str, Any],
    fallback: dict[str, Any] | None,
) -> list[Any]:
    """Spawns a job for each item, and returns their outputs.

    Args:
        func: the dotted path of the function.
        items: the items.
        args: further arguments of each call.
        kwargs: those by name.
        rule: the rule by which the elements are joined.
        options: the options of each element, as ``JobOptions.plain`` made them.
        fallback: what stands in for each element that fails.

    Raises:
        NoItemsError: the items are no list.
    """
    job = get_current_job()
    assert job is not None
    try:
        values = listed(items)
    except TypeError as error:
        raise NoItemsError(str(error)) from None
    each = JobOptions.restored(options, restored_fallback(fallback))
    elements = [
        job.spawn_data(FunctionCall(func, (value, *args), kwargs, each, kwargs_are_meant=True).data(job.codec), rule)
        for value in values
    ]
    if guarantees_success(rule, len(elements)):
        return [element.output for element in elements]
    return [element.output_or(None) for element in elements]
