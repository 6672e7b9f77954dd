from rqdeps import JobFailedError, Queue

from steps import add_up, best_seller, sales_of, write_report

q = Queue(url="embedded:./data")
north = q.enqueue(sales_of, "north")
south = q.enqueue(sales_of, "south")
east = q.enqueue(sales_of, "east")  # fails: sales.csv knows no such shop
west = q.options(hold=True).enqueue(sales_of, "west")  # waits for release(), as if it took long
shops = {"north": north, "south": south, "east": east, "west": west}

# Outputs may stand anywhere inside arguments. Each is a dependency too: add_up waits for these three.
total = q.enqueue(add_up, [north.output, south.output, west.output])
best = q.enqueue(best_seller, total.output)

# output_or says what to pass where a job has not finished, so that the report runs although east has failed.
sold = {shop: job.output_or(None) for shop, job in shops.items()}
report = q.enqueue(write_report, {"shops": sold, "total": total.output, "best": best.output})

# wait() returns what the job has returned, or raises an error that says why there is nothing.
print("north has sold", north.wait(timeout=60))
print("south has sold", south.wait(timeout=60))
try:
    print("east has sold", east.wait(timeout=60))
except JobFailedError as error:
    print("east has", error.status)  # str(error) holds the traceback from the worker

# What there is so far: return_value() is None where a job has not finished.
print("known so far:", [shop for shop, job in shops.items() if job.return_value() is not None])
print(west.explain())

west.release()
print(report.wait(timeout=60))
