"""Summarises text in jobs that wait for each other.

python pipeline.py [FILE...]
"""

import sys
from pathlib import Path
from typing import Any

from rqdeps import Dependency, Job, Queue, Retry, Worker

# Your own steps go into a module of your own: workers import it.
from rqdeps.demo import steps

# The one line to change for a server of your own: "redis://localhost:6379"
URL = "embedded:./rqdeps-demo/data"  # <--


def enqueue_all(q: Queue, texts: list[str], folder: Path) -> list[Job[Any]]:
    """Enqueues all jobs; each runs once it has what it needs of the others."""
    template = q.enqueue(steps.fetch_template, retry=Retry(2, interval=0.7))
    quote = q.enqueue(steps.fetch_quote, fallback=steps.quote_at_hand)
    sections = steps.split(texts, folder)
    summaries = [q.enqueue(steps.summarise, section) for section in sections]
    overview = q.enqueue(steps.combine, [job.output for job in summaries])
    report = q.enqueue(steps.render, overview.output, template.output, quote.output, folder)
    in_any_case = Dependency(report, rule="all_done")
    cleaned = q.enqueue(steps.clean_up, sections, depends_on=in_any_case)
    page = q.enqueue(steps.publish, report.output, folder / "site")
    announced = q.enqueue(steps.announce, page.output)
    return [template, quote, *summaries, overview, report, cleaned, page, announced]


if __name__ == "__main__":
    q = Queue("pipeline", url=URL)
    texts = [Path(name).read_text("utf-8") for name in sys.argv[1:]]
    folder = Path("rqdeps-demo").resolve()
    jobs = enqueue_all(q, texts or [steps.python_topics()], folder)
    # Or leave this out, and start elsewhere: rqdeps worker pipeline --url URL
    Worker(q, processes=2).work(burst=True)
    report, _, _, announced = jobs[-4:]
    print("Written:", report.result)
    print(announced.explain())
