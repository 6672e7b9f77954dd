"""``rqdeps info``: queues, how many jobs of each status they have, and workers."""

from __future__ import annotations

import click
from rich.console import Group

from rqdeps.cli.options import json_option, url_option, watch_option
from rqdeps.cli.queues import queue_states, queues_table
from rqdeps.cli.watching import View, present
from rqdeps.cli.workers import worker_states, workers_table
from rqdeps.store import connect


@click.command()
@click.option("--queue", "-q", "names", multiple=True, metavar="NAME", help="Of this queue; may be repeated.")
@json_option
@watch_option
@url_option
def info(names: tuple[str, ...], as_json: bool, watch: bool, url: str | None) -> None:
    """Shows queues with their jobs per status, and the workers."""
    store = connect(url, create=False)

    def look() -> View:
        queues = store.perform(queue_states(names))
        found = store.perform(worker_states(names))
        return View(
            lambda: {
                "server": store.address,
                "queues": [each.plain() for each in queues],
                "workers": [each.plain() for each in found],
            },
            lambda on: Group(store.address, "", queues_table(queues, on), "", workers_table(found, wide=False)),
            state=([each.state for each in queues], [each.state for each in found]),
        )

    present(look, as_json=as_json, watch=watch)
