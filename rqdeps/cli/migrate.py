"""``rqdeps migrate-from-rq``: moves what waits in RQ."""

from __future__ import annotations

import json
import os
import sys

import click

from rqdeps.cli.options import url_option
from rqdeps.codec import SERIALIZER_VARIABLE
from rqdeps.from_rq.layout import Layout
from rqdeps.from_rq.migration import Wanted, migrate
from rqdeps.from_rq.reading import loads_of
from rqdeps.store import connect

#: The environment variable by which RQ 3 names what its keys begin with.
PREFIX_VARIABLE = "RQ_KEY_PREFIX"


@click.command("migrate-from-rq")
@click.option("--from", "source", metavar="URL", help="RQ's server. Default: the one of --url.")
@url_option
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="Only this queue; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what would be moved, and what not; nothing is written.")
@click.option(
    "--serializer",
    metavar="NAME",
    help="How arguments are written in rqdeps: json, pickle, or MODULE:NAME of one of your own. "
    f"Default: ${SERIALIZER_VARIABLE}, else json.",
)
@click.option(
    "--rq-serializer",
    default="pickle",
    show_default=True,
    metavar="NAME",
    help="How RQ has written them: pickle, json, or the dotted path that RQ was given.",
)
@click.option(
    "--rq-prefix", envvar=PREFIX_VARIABLE, default="rq", metavar="PREFIX", help=f"Default: ${PREFIX_VARIABLE}, else rq."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def migrate_from_rq(
    source: str | None,
    url: str | None,
    queues: tuple[str, ...],
    dry_run: bool,
    serializer: str | None,
    rq_serializer: str,
    rq_prefix: str,
    as_json: bool,
) -> None:
    """Moves jobs that wait in RQ, with their dependencies, into rqdeps.

    Queued, deferred and scheduled jobs are moved; jobs that run, and those that wait for them, stay until it is run
    again. It may be interrupted at any moment, and run again. RQ's workers may be at work meanwhile; programs should
    enqueue in rqdeps by now. Run it in the directory of the program, whose classes RQ's pickles name: reading a pickle
    runs what it says, as RQ does, also with --dry-run.

    The exit code is 0 if nothing stays in RQ, and 1 otherwise.
    """
    if os.getcwd() not in sys.path:  # for what pickles name; a program that is installed has another place there
        sys.path.insert(0, os.getcwd())
    store = connect(url, create=not dry_run)
    rq = store.client if source is None else connect(source, create=False).client
    wanted = Wanted(queues, loads_of(rq_serializer), store.codec.changed(serializer), is_dry=dry_run)
    report = migrate(rq, store, wanted, layout=Layout(rq_prefix))
    if as_json:
        click.echo(json.dumps(report.plain(), indent=2))
    else:
        for line in report.lines():
            click.echo(line)
    sys.exit(1 if report.staying else 0)
