"""Queues, jobs and workflows for programs that run on asyncio: ``Queue``, ``Job`` and ``Workflow``, with ``await``.

What ``Job`` or ``Queue`` has as a method is a method here, which is awaited. What is a property there and asks the
server is a method too: ``get_result()``, ``get_counts()``; for lists of others by the same name, as in
``dependent_ids()``. All that is stored of a job is a property here too; it tells what was last read: ``fetch`` reads a
job, ``refresh()``, ``get_status()`` and ``get_meta()`` read it again.

Many tasks may use one queue at once. A task that is cancelled leaves the queue usable; whether what it was about to do
has been done is unknown then, as when a connection breaks.
"""

from rqdeps.aio.job import AsyncJob
from rqdeps.aio.queue import AsyncQueue
from rqdeps.aio.workflow import AsyncWorkflow

__all__ = ["AsyncJob", "AsyncQueue", "AsyncWorkflow"]
