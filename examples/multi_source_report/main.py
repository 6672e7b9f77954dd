from rqdeps import Queue, Retry, Workflow

from steps import alert, fetch_orders, fetch_rates, fetch_ratings, fetch_stock, merge, no_ratings, render

URL = "embedded:./data"

when_busy = Retry(max=5, interval=0.1, on=ConnectionError)  # after other errors another attempt would not help

with Workflow("sales report", queue=Queue("reports", url=URL)) as report:
    required = report.options(queue="fetch", retry=when_busy)
    orders = required.enqueue(fetch_orders, "work/sources/orders.csv")
    rates = required.enqueue(fetch_rates, "work/sources/rates.json")
    stock = required.enqueue(fetch_stock, "work/sources/stock.sqlite")

    optional = report.options(queue="fetch", retry=when_busy, fallback=no_ratings)
    ratings = optional.enqueue(fetch_ratings, "work/sources/ratings.json")

    rows = report.enqueue(merge, orders.output, rates.output, stock.output, ratings.output)
    path = report.enqueue(render, rows.output, "work/report.md")
    alerted = report.on_failed(alert, report.id, URL)

if report.wait(timeout=60) != "finished":
    print(alerted.wait(timeout=60))
    raise SystemExit(1)

print(f"Rates: fetched by attempt {rates.attempt}.")
print(f"Ratings: {ratings.explain()}")
with open(path.result) as file:
    print(file.read())
