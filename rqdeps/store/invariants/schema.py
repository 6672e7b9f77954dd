"""What may be stored: kinds of keys, fields of hashes, and the statuses that mean the same to a check."""

from __future__ import annotations

from typing import Final

from rqdeps.status import TERMINAL_STATUSES, JobStatus

#: The longest field name or value of a hash that stays a listpack, in bytes.
INLINE_BYTES: Final = 64

#: How many attempts that did not finish are kept of a job.
KEPT_ATTEMPTS: Final = 10

#: How many lines are kept of a job's log.
KEPT_LINES: Final = 1_000

TERMINAL: Final = frozenset(status.value for status in TERMINAL_STATUSES)
#: Statuses of jobs whose rules were met.
RELEASED: Final = frozenset({"scheduled", "queued", "started", "joining", "finished", "failed", "stopped"})
#: Statuses in which a job's dependencies still decide, or have decided, what becomes of it.
DECIDED_BY_RULES: Final = frozenset({"deferred", "upstream_failed", "skipped"})
#: Every status but the one whose jobs stand in a list.
REGISTRIES: Final = frozenset(status.value for status in JobStatus) - {"queued"}
#: What becomes of dependents that still wait for a job that is deleted.
POLICIES: Final = frozenset({"cancel", "release", "delete"})
#: In `cascades`, what stands before the name of a gate; no job's id has a colon.
GATE_PREFIX: Final = "gate:"
#: And before that of a workflow that is being canceled: but for what cleans up, or all of it.
CANCEL_PREFIXES: Final = ("cancel:", "cancel-all:")

#: Kinds of keys, with the type of each: one for the deployment, one for each queue, worker, gate, workflow, job.
SINGLE: Final = {
    "schema": "string",
    "queues": "set",
    "beat": "hash",
    "timers": "zset",
    "cascades": "zset",
    "reopenings": "zset",
    "gates": "zset",
    "links": "string",
    "workers": "zset",
    "workflows": "zset",
    "durations": "hash",
    "groups": "zset",
}
OF_QUEUE: Final = {"queue": "list", "queue-meta": "hash", "wake": "zset", **dict.fromkeys(REGISTRIES, "zset")}
OF_WORKER: Final = {"worker": "hash", "inbox": "list"}
OF_GATE: Final = {"gate": "zset", "plain": "list"}
OF_WORKFLOW: Final = {"workflow": "hash", "workflow-jobs": "zset"}
OF_GROUP: Final = {"group": "zset"}
#: Of a job that has run, or of the gate of what it is about to spawn.
OF_JOIN: Final = {"joins": "hash"}
LONG_FIELDS: Final = (
    *("payload", "result", "meta", "function", "retry", "repeat", "callbacks"),
    *("description", "reason", "progress"),
)
OF_JOB: Final = {
    "job": "hash",
    "attempts": "list",
    "log": "list",
    "dependencies": "hash",
    "dependents": "zset",
    **dict.fromkeys(LONG_FIELDS, "string"),
}
FIELDS_OF_QUEUE: Final = frozenset({"stale", "retrying", "paused", "limit"})
FIELDS_OF_JOB: Final = frozenset(
    {
        *LONG_FIELDS,
        *("status", "queue", "epoch", "created_at", "enqueued_at", "started_at", "ended_at", "scheduled_for", "nonce"),
        *("fence", "holder", "begun", "limited", "attempt", "failures", "deaths", "waited", "stop"),
        *("timeout", "ttl", "ttl_due", "result_ttl", "failure_ttl", "retries", "at_front"),
        *("repeats", "repeated", "repeat_due", "group"),
        *("linked", "outputs", "fallback", "fallback_of", "stand_in", "requeued_by", "reopening"),
        *("held", "gate", "deleting", "unlinked", "checked"),
        *("joins", "gives", "returned_at", "spawning", "spawned_by", "workflow", "cleans_up"),
    }
)
#: Beside the statuses, and what begins with one of the prefixes.
FIELDS_OF_WORKFLOW: Final = frozenset({"entered"})
FUNCTION_PREFIX: Final = "function:"
QUEUE_PREFIX: Final = "queue:"
#: Fields that only a job that has ended has.
FIELDS_OF_AN_END: Final = frozenset({"ended_at", "reason", "stand_in", "checked", "deleting", "repeat_due"})
