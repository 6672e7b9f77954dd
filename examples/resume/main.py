from pathlib import Path
from shutil import rmtree

from rqdeps import Queue, Workflow

from steps import LOG, add_up, announce, count_words, store

TEXTS = ["one", "two words", "three more words"]
FOLDERS = [Path("archive"), Path("outbox")]

for folder in FOLDERS:
    rmtree(folder, ignore_errors=True)  # so that it fails each time
LOG.unlink(missing_ok=True)

q = Queue(url="embedded:./data")
with Workflow("words", queue=q) as workflow:
    counts = [workflow.enqueue(count_words, text) for text in TEXTS]
    total = workflow.enqueue(add_up, [count.output for count in counts])
    stored = [workflow.enqueue(store, total.output, folder) for folder in FOLDERS]
    announced = workflow.enqueue(announce, [path.output for path in stored])

print("The workflow has", workflow.wait(timeout=60))
for job_id in workflow.job_ids("failed"):
    print(q.fetch_job(job_id).explain())
print("Look at it with: rqdeps graph", workflow.id)
