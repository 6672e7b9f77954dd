from pathlib import Path

from rqdeps import Dependency, Queue, Workflow

from steps import approve, clean_up, collect, publish, write_report

FOLDER = Path("figures")
q = Queue(url="embedded:./data")


def enqueue_all(to):
    """Enqueues a report, to a queue or a workflow. It waits for an approval, which nobody gives here."""
    collected = to.enqueue(collect, FOLDER)
    approved = to.options(hold=True).enqueue(approve)
    report = to.enqueue(write_report, FOLDER, depends_on=[collected, approved])
    published = to.enqueue(publish, report.output)
    cleaned = to.enqueue(clean_up, FOLDER, depends_on=Dependency(published, rule="all_done"))  # however that ends
    return {"collect": collected, "approve": approved, "report": report, "publish": published, "clean_up": cleaned}


def show(title, jobs):
    """Prints what has become of the jobs, once the last of them has ended, or is deleted."""
    if q.fetch_job(jobs["clean_up"].id):
        jobs["clean_up"].wait(timeout=60)
    print(f"{title}:")
    for name, job in jobs.items():
        found = q.fetch_job(job.id)
        print(f"    {name:<10}{found.get_status() if found else 'deleted'}")
    print("    the folder is", "still there" if FOLDER.exists() else "gone")


jobs = enqueue_all(q)
jobs["collect"].wait(timeout=60)
jobs["approve"].cancel()  # what depends on it can't run any more, just as if it had failed
show("cancel()", jobs)
print(jobs["publish"].explain())

for policy in ("cancel", "release", "delete"):
    jobs = enqueue_all(q)
    jobs["collect"].wait(timeout=60)
    jobs["approve"].delete(dependents=policy)  # "cancel" is the default
    show(f"delete(dependents={policy!r})", jobs)

with Workflow("report", queue=q) as workflow:
    jobs = enqueue_all(workflow)
jobs["collect"].wait(timeout=60)
workflow.cancel()  # all that has not run, but what cleans up
show("Workflow.cancel()", jobs)
print("The workflow was", workflow.wait(timeout=60))
