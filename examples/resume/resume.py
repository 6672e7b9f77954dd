from collections import Counter

from rqdeps import Workflow

from steps import LOG

workflow = Workflow.all(url="embedded:./data")[0]  # the latest; Workflow.fetch(id) finds any other
print("resumed jobs:", workflow.retry_failed())
print("The workflow has", workflow.wait(timeout=60))
for line, count in Counter(LOG.read_text().splitlines()).items():
    print(f"{count} x {line}")
