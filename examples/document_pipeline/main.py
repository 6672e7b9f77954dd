from pathlib import Path
from pydoc_data.topics import topics  # texts that come with Python
from shutil import rmtree

from rqdeps import Queue

from steps import AT_WORK, combine, split, summarise

URL = "embedded:./data"

Path("document.txt").write_text(topics["specialnames"], encoding="utf-8")
rmtree(AT_WORK, ignore_errors=True)  # what jobs that were killed may have left

q = Queue(url=URL)
expensive = Queue("expensive", url=URL)  # a queue of its own, so that its limit holds up nothing else
expensive.limit(2)  # over all workers together, until it is set anew

sections = q.enqueue(split, "document.txt")
summaries = expensive.options(retry=2).map(summarise, sections.output)  # a job for each section, each with 2 retries
overview = q.enqueue(combine, summaries.output).wait(timeout=60)

print(overview["text"])
print(f"{overview['sections']} sections. The most that were at work at once: {overview['most_at_once']}")
