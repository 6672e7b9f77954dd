"""What is stored once all is drained, and which run of each job it holds for the accepted one."""

from __future__ import annotations

import math
import re
from typing import Any

from redis import Redis

from rqdeps.store.invariants.data import Data, StoredJob, read
from rqdeps.store.invariants.schema import TERMINAL
from rqdeps.store.keys import Keys

_RUN = re.compile(r"run-\d+-\d+")

#: What is stored of an attempt that wanted an output which was gone.
_EXPIRED = "ResultExpiredError"


class Stored:
    """All that is stored of the deployment.

    Args:
        client: a client of the server.

    Attributes:
        data: the data.
        accepted: by the id of each job that has a result, the run that it came from.
    """

    def __init__(self, client: Redis) -> None:
        keys = Keys()
        self.data: Data = read(client, keys)
        long = [job.id for job in self.data.jobs.values() if job.fields.get("result") == "@"]
        texts = {job.id: job.fields.get("result", "") for job in self.data.jobs.values()}
        for i in range(0, len(long), 1000):
            page = long[i : i + 1000]
            values: list[Any] = client.mget([f"{keys.prefix}result:{job_id}" for job_id in page])
            texts |= {job_id: value.decode() for job_id, value in zip(page, values, strict=True) if value}
        found = {job_id: _RUN.search(text) for job_id, text in texts.items()}
        self.accepted = {job_id: match[0] for job_id, match in found.items() if match}

    @property
    def jobs(self) -> dict[str, StoredJob]:
        """All jobs."""
        return self.data.jobs

    def end_of(self, job_id: str) -> tuple[str, float]:
        """How a job ended for those that wait for it, and when, in milliseconds; nothing if it has not."""
        job = self.jobs.get(job_id)
        if job is None or job.status not in TERMINAL:
            return "", math.inf
        if job.status == "failed" and "fallback" in job.fields:
            return self.end_of(job.fields["fallback"])
        return job.status, job.number("ended_at")

    def missed_an_output(self, job_id: str) -> bool:
        """Whether an attempt failed because an output that it was to take was gone."""
        return any(_EXPIRED in attempt for attempt in self.data.of_job["attempts"].get(job_id, []))

    def above(self, job_id: str) -> list[str]:
        """The jobs by which another may have come to be, or to run: its spawner, and the one that it stands in for."""
        fields = self.jobs[job_id].fields if job_id in self.jobs else {}
        return [fields[name] for name in ("spawned_by", "fallback_of", "workflow") if name in fields]
