from pathlib import Path

from rqdeps import Queue, Workflow

from steps import read_all, write_report

inbox = Path("inbox")
inbox.mkdir(exist_ok=True)
(inbox / "letter.txt").write_text("Dear reader,\n\nall is well here.\n\nHow are you?\n")
(inbox / "orders.csv").write_text("item,price\nbread,3\ncake,12\n")
(inbox / "photo.jpg").write_bytes(b"\xff\xd8\xff")
(inbox / "staff.json").write_text('{"Grace": 1, "Ada": 2}')

q = Queue(url="embedded:./data")
with Workflow("inbox", queue=q) as workflow:
    found = workflow.enqueue(read_all, inbox)
    report = workflow.enqueue(write_report, found.output)  # waits for read_all, and for all that it spawns

print(report.wait(timeout=60))
print("The workflow has", workflow.wait(timeout=60))
print(workflow.graph())
