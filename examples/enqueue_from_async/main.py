import asyncio
import contextlib

from rqdeps import AsyncQueue, AsyncWorkflow, WaitTimeoutError

from steps import count_lines, primes_between, widest_gap, write_primes

RANGES = [(first, first + 2500) for first in range(0, 20_000, 2500)]
PATH = "work/primes.txt"


async def many_at_once(q):
    """Eight tasks enqueue a job each, and eight wait for the results. They share the queue and its connections."""
    jobs = await asyncio.gather(*(q.enqueue(primes_between, first, end) for first, end in RANGES))
    parts = await asyncio.gather(*(job.wait(timeout=60) for job in jobs))
    print("primes in each range:", *map(len, parts))


async def small_graph(q):
    """Outputs and depends_on are the same as in a Queue. Nothing is awaited before all is enqueued."""
    parts = [await q.enqueue(primes_between, first, end) for first, end in RANGES]
    gap = await q.enqueue(widest_gap, [part.output for part in parts])
    written = await q.enqueue(write_primes, PATH, [part.output for part in parts])
    lines = await q.enqueue(count_lines, PATH, depends_on=written)
    print("the widest gap:", await gap.wait(timeout=60))
    print("primes in the file:", await lines.wait(timeout=60))


async def workflow(q):
    """Jobs with a name and one status. They are enqueued when the block ends, all of them, or none if it raises."""
    async with AsyncWorkflow("primes", queue=q) as primes:
        parts = [await primes.enqueue(primes_between, first, end) for first, end in RANGES]
        gap = await primes.enqueue(widest_gap, [part.output for part in parts])
    print("the workflow:", await primes.wait(timeout=60), await gap.get_result())


async def impatience(q):
    """Who stops waiting does nothing to the job. Only job.cancel() does."""
    job = await q.enqueue_in("1h", primes_between, 0, 100)
    try:
        await job.wait(timeout=0.1)
    except WaitTimeoutError:
        print("after a timeout:", await job.get_status())

    task = asyncio.create_task(job.wait())
    await asyncio.sleep(0.1)  # the task waits now
    task.cancel()  # as a web server does when a client goes away
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print("after the task was cancelled:", await job.get_status())

    await job.cancel()
    print("after job.cancel():", await job.get_status())


async def main():
    async with AsyncQueue(url="embedded:./data") as q:
        await many_at_once(q)
        await small_graph(q)
        await workflow(q)
        await impatience(q)


asyncio.run(main())
