from rqdeps import Queue

from steps import extract, load, transform

q = Queue()
lines = q.enqueue(extract, "steps.py")
upper = q.enqueue(transform, lines.output)
count = q.enqueue(load, upper.output)
print(count.id, count.wait(timeout=60))
