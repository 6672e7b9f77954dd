import tempfile
from pathlib import Path

from rqdeps import Dependency, Queue

from steps import add_up, export, remove, report

REGIONS = ["north", "south", "west"]

q = Queue(url="embedded:./data")

# Chosen here and not by a job, so that the clean-up knows the folder even if no job ever returns.
folder = tempfile.mkdtemp()

exported = q.enqueue(export, folder)
sums = {region: q.enqueue(add_up, folder, region, depends_on=exported) for region in REGIONS}  # west will fail

# Needs all sums, as outputs without a default do.
complete = q.enqueue(report, {region: job.output for region, job in sums.items()})

# Waits for all sums and needs one at least. It gets None for what failed.
# Short for this rule: depends_on=[...], allow_partial_dependencies=True
partial = q.enqueue(
    report,
    {region: job.output_or(None) for region, job in sums.items()},
    depends_on=Dependency(sums.values(), rule="all_done_min_one_success"),
)

# Waits for all who use the folder, and runs however they end.
# Long for this: depends_on=Dependency([...], rule="all_done")
cleaned = q.enqueue(remove, folder, depends_on=[exported, *sums.values()], run_after_failure=True)

cleaned.wait(timeout=60)
print("clean-up: the folder is", "still there" if Path(folder).exists() else "gone")

print("partial report:", partial.wait(timeout=60))

print("complete report:", complete.get_status())
print(complete.explain())
