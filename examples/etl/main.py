import contextlib
import sqlite3

from rqdeps import Dependency, Queue, Retry, Workflow

from steps import check, clean_up, extract, load, transform, validate_customers, validate_orders, validate_products

DATABASE = "work/sales.sqlite"
REJECTS = "work/rejects"

q = Queue(url="embedded:./data")
with Workflow("etl", queue=q) as etl:
    staging = f"work/staging/{etl.id}"  # each run has a folder of its own
    customers = etl.enqueue(extract, "work/sources/customers.csv", staging)
    products = etl.enqueue(extract, "work/sources/products.csv", staging)
    orders = etl.enqueue(extract, "work/sources/orders.csv", staging)

    valid_customers = etl.enqueue(validate_customers, customers.output, REJECTS)
    valid_products = etl.enqueue(validate_products, products.output, REJECTS)
    valid_orders = etl.enqueue(validate_orders, orders.output, valid_customers.output, valid_products.output, REJECTS)
    sales = etl.enqueue(transform, valid_orders.output, valid_customers.output, valid_products.output)

    while_locked = Retry(max=3, interval=1, on=sqlite3.OperationalError)  # another program may write there just now
    loaded = etl.enqueue(load, sales.output, DATABASE, retry=while_locked)
    checked = etl.enqueue(check, sales.output, DATABASE, depends_on=loaded)

    # It waits for all jobs, not just for the last one: when one has failed, others may still write to the folder.
    etl.enqueue(clean_up, staging, depends_on=Dependency(etl.jobs, rule="all_done"))

status = etl.wait(timeout=60)
print(etl.name, status)
if status != "finished":
    for job in etl.jobs:
        if job.is_failed:
            print(job.func_name, job.explain())
    raise SystemExit(1)

print(checked.result)
with contextlib.closing(sqlite3.connect(DATABASE)) as connection:
    for country, cents in connection.execute("SELECT country, SUM(cents) FROM sales GROUP BY country ORDER BY country"):
        print(f"{country:<10}{cents / 100:>10,.2f}")
