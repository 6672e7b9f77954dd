"""A look around: the server first, then the data; what looks wrong in the data is looked at again before it is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from redis.exceptions import RedisError, ResponseError

from rqdeps.doctor.data import check_data, confirmed
from rqdeps.doctor.data_facts import data_facts
from rqdeps.doctor.findings import Finding, Reporter, Section
from rqdeps.doctor.leftovers import (
    contradictions,
    look_at_keys,
    of_contradictions,
    of_keys,
    still_ownerless,
)
from rqdeps.doctor.server import check_server
from rqdeps.errors import RqdepsError, SchemaVersionError
from rqdeps.store import Store, connect
from rqdeps.store.calls import reads
from rqdeps.store.deployment import SCHEMA_VERSION
from rqdeps.store.permissions import missing_permission
from rqdeps.store.server_facts import server_facts
from rqdeps.store.states import state_in_words

#: How long to wait at most for the server to let this client in, and for each reply, in seconds.
PATIENCE: Final = 5.0

#: The pause before a second look, in seconds: workers do what is due each second.
PAUSE: Final = 1.5

_server, _data = Reporter(Section.SERVER), Reporter(Section.DATA)


class CouldNotLookError(Exception):
    """There was no looking at the deployment, or at the rest of it.

    Attributes:
        finding: why.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def look_around(url: str | None, *, full: bool = False) -> Iterator[Finding]:
    """Looks at a deployment. Nothing is changed.

    Args:
        url: where the server is, as ``connect`` takes it.
        full: whether to look at all keys, and to check the data as a whole.

    Yields:
        What each check came to, as soon as it is known.

    Raises:
        CouldNotLookError: the server does not answer, or refuses this client.
    """
    try:
        store = connect(url, create=False)
        quick = store.hasty(PATIENCE)
        # The first call of all, so that whatever keeps this client out is met here.
        has_data = _has_known_data(quick)
        yield _server.ok("reachable", store.address)
        yield from check_server(server_facts(quick))
        if isinstance(has_data, Finding):
            yield has_data
            return
        yield _data.ok("layout", f"version {SCHEMA_VERSION}" if has_data else "there is no data yet")
        yield from _look_at_data(quick, full=full)
    except ResponseError as error:
        raise CouldNotLookError(_data.problem("readable", *_refusal(error, url))) from error
    except (RqdepsError, RedisError, ValueError) as error:
        raise CouldNotLookError(_unreachable(error)) from error


def _unreachable(error: Exception) -> Finding:
    what, _, hint = str(error).partition("\n")
    return _server.problem("reachable", what, hint)


def _refusal(error: ResponseError, url: str | None) -> tuple[str, str]:
    """What the server has refused, and what to do."""
    missing = missing_permission(error, url)
    if missing is not None:
        return missing, "Ask as a user who may read the keys of the deployment, such as a viewer."
    return state_in_words(error) or f"the server says: {error}", "See the log of the server."


def _has_known_data(store: Store) -> bool | Finding:
    try:
        store.run(reads.settings([]))  # which looks at the layout first, and, as it only reads, sets none
    except SchemaVersionError as error:
        return _data.problem("layout", str(error), "Look with the release that wrote the data.")
    return store.schema_is_known


def _in_both(first: list[str], second: list[str] | None) -> list[str] | None:
    return None if second is None else sorted(set(first).intersection(second))


def _look_at_data(store: Store, *, full: bool) -> Iterator[Finding]:
    first, keys = check_data(store.perform(data_facts())), look_at_keys(store, full=full)
    wrong = contradictions(store) if full else []
    if wrong or (keys and keys.ownerless) or any(finding.is_trouble for finding in first):
        time.sleep(PAUSE)
        first = confirmed(first, check_data(store.perform(data_facts())))
        keys = keys and replace(keys, ownerless=still_ownerless(store, keys.ownerless))
        wrong = wrong and _in_both(wrong, contradictions(store))
    yield from first
    yield of_keys(keys, store.keys.prefix)
    if full:
        yield from of_contradictions(wrong)
