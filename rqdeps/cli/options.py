"""Options that several commands have."""

from __future__ import annotations

import click

from rqdeps.store.connection import DEFAULT_URL, URL_VARIABLE

#: Where the server is.
url_option = click.option(
    "--url",
    metavar="URL",
    help=f"Server: redis://, rediss://, unix:// or embedded:FOLDER. Default: ${URL_VARIABLE}, else {DEFAULT_URL}.",
)
