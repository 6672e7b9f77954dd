from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from rqdeps import AsyncQueue, WaitTimeoutError

from texts import count_words

PATIENCE_SECONDS = 10


@asynccontextmanager
async def lifespan(app):
    async with AsyncQueue(url="embedded:./data") as app.state.queue:
        yield


async def count(request):
    text = (await request.body()).decode()
    job = await request.app.state.queue.enqueue(count_words, text)
    try:
        words = await job.wait(timeout=PATIENCE_SECONDS)  # other requests are served meanwhile
    except WaitTimeoutError:
        return JSONResponse({"job": job.id}, status_code=202)  # it goes on: ask for it later
    return JSONResponse({"job": job.id, "words": words})


async def show(request):
    job = await request.app.state.queue.fetch_job(request.path_params["job_id"])
    if job is None:
        raise HTTPException(404)
    words = await job.get_result() if job.is_finished else None
    return JSONResponse({"job": job.id, "words": words, "explain": await job.explain()})


app = Starlette(
    routes=[Route("/count", count, methods=["POST"]), Route("/jobs/{job_id}", show)],
    lifespan=lifespan,
)
