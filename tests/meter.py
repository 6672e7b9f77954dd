"""How large tests of scale are, and what calls cost on a real server, counted in commands of their scripts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from by_hand import HandWorker

from rqdeps import Queue
from rqdeps.store.calls.call import Call
from rqdeps.store.keys import Keys
from rqdeps.store.scripts import BUDGET
from rqdeps.store.store import evaluate

#: Whether all is tested on all servers, and at the sizes that users have.
IN_FULL = os.environ.get("RQDEPS_TEST_PROFILE") == "full"

#: How many times as large tests of scale are as in a short run.
SCALE = 50 if IN_FULL else 1

#: What one call may run on the server: moving a job takes six commands for two of the budget.
MOST_COMMANDS = 4 * BUDGET

#: How often a command has been called, but for those of the meter itself and of connections.
_CALLS = re.compile(rb"^cmdstat_(?!info|config|client|hello)[^:]+:calls=(\d+)", re.MULTILINE)

#: How much more twice as much may cost.
LINEAR = 2.2


class Meter:
    """Counts the commands that calls run on the server, one by one."""

    def __init__(self) -> None:
        self.total = 0
        self.most = (0, "")

    def count(self, connection: Any) -> int:
        connection.send_command("INFO", "commandstats")  # read as it comes: to parse it would take longer than a call
        return sum(map(int, _CALLS.findall(connection.read_response())))

    def evaluate(self, connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
        before = self.count(connection)
        replies = evaluate(connection, calls, keys)
        cost = self.count(connection) - before
        self.total += cost
        self.most = max(self.most, (cost, calls[0].script))
        return replies

    def taken(self) -> int:
        """What was counted since this was last asked."""
        total, self.total = self.total, 0
        return total


def counts(queue: Queue) -> dict[str, int]:
    return {status.value: count for status, count in queue.counts.items() if count}


def drain(queue: Queue) -> int:
    """Has all jobs run, a hundred at a time. Returns how many there were."""
    hands = HandWorker(queue.store)
    ran = 0
    while job_ids := hands.claim(100):
        ran += len(job_ids)
        hands.finish_all(job_ids)
    return ran
