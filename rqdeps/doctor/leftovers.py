"""What lies about: keys that belong to nobody, and data that contradicts itself."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from redis.exceptions import NoPermissionError

from rqdeps.doctor.findings import Finding, Reporter, Section, names
from rqdeps.store import Store
from rqdeps.store.calls.checkups import KEYS_PER_CALL, ownerless
from rqdeps.store.invariants import violations
from rqdeps.store.invariants.data import read
from rqdeps.store.server_facts import PLACES_PER_SCAN, scanned_keys
from rqdeps.text import many, printable

_say: Final = Reporter(Section.DATA)

#: How many pages of keys are looked at unless all are wanted, and for how many seconds at most.
PAGES: Final = 40
SECONDS: Final = 1.0

#: How many contradictions are shown.
_SHOWN: Final = 10


@dataclass(frozen=True)
class Keys:
    """What a look at the names of keys came to.

    Attributes:
        looked_at: how many belong to the deployment, of those that were looked at.
        places: how many places of the server were looked at; ``None`` for all there are.
        ownerless: those that belong to nobody.
    """

    looked_at: int
    places: int | None
    ownerless: list[str]


def look_at_keys(store: Store, *, full: bool) -> Keys | None:
    """Looks for keys that belong to nobody; ``None`` where the user may not look through all keys.

    Args:
        store: the deployment.
        full: whether to look at all, not only at the first some thousand.
    """
    found: list[str] = []
    looked_at = pages = 0
    until = time.monotonic() + SECONDS
    try:
        for page in scanned_keys(store):
            if not full and pages > 0 and (pages >= PAGES or time.monotonic() > until):
                return Keys(looked_at, pages * PLACES_PER_SCAN, found)
            pages += 1
            looked_at += len(page)
            found += still_ownerless(store, page)
    except NoPermissionError:
        return None
    return Keys(looked_at, None, found)


def still_ownerless(store: Store, names: Sequence[str]) -> list[str]:
    """Those of some keys that are there and belong to nobody."""
    pages = [names[i : i + KEYS_PER_CALL] for i in range(0, len(names), KEYS_PER_CALL)]
    if not pages:
        return []
    return [name for found in store.run_all([ownerless(page) for page in pages]) for name in found]


def of_keys(keys: Keys | None, prefix: str) -> Finding:
    """What to say of the keys."""
    if keys is None:
        return _say.unknown(
            "keys", "can't tell whether any belong to nobody: this user lacks +scan", "Ask as a user who may do that."
        )
    some = "" if keys.places is None else f", of the first {keys.places:,} on the server (--full looks at all)"
    if not keys.looked_at:
        return _say.ok("keys", "there are none")
    if not keys.ownerless:
        return _say.ok("keys", f"{many(keys.looked_at, 'key')} looked at, all of them in use{some}")
    shown = [printable(prefix + name) for name in sorted(keys.ownerless)]
    return _say.warning(
        "keys",
        f"{many(len(shown), 'key')} in use by no job, queue or worker{some}: {names(shown)}",
        f"Unless a newer release of rqdeps has written them, nobody reads them: "
        f"redis-cli UNLINK {shlex.quote(shown[0])}",
        about=" ".join(shown),
    )


def contradictions(store: Store) -> list[str] | None:
    """All that contradicts itself in the data, which is read as a whole; also what passes while others change it.

    ``None`` where the user may not read it so, or it has changed so much meanwhile that the parts don't fit together.
    """
    try:
        return violations(read(store.client, store.keys))
    except (NoPermissionError, LookupError, TypeError, ValueError):
        return None


def of_contradictions(found: Sequence[str] | None) -> list[Finding]:
    """What to say of data that contradicts itself."""
    if found is None:
        return [
            _say.unknown(
                "invariants",
                "can't tell: this user may not read all data as it is stored, or it changes too quickly",
                "Look while nothing runs, as a user who may do everything.",
            )
        ]
    if not found:
        return [_say.ok("invariants", "the stored data agrees with itself")]
    advice = "Stop programs and workers and look again: if it is still there, please report it."
    shown = [_say.problem("invariants", printable(each), advice, about=each) for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        shown.append(_say.problem("invariants", f"and {len(found) - _SHOWN:,} more of the kind", advice))
    return shown
