"""The steps of the report: those that fetch, each from a source of its own kind, and those that write."""

import contextlib
import csv
import json
import os
import sqlite3
from collections import Counter
from decimal import Decimal

from rqdeps import Workflow, get_current_job

BUSY_ATTEMPTS = 2  # how many attempts find the service busy


def fetch_orders(path):
    with open(path, newline="") as file:
        return [
            {**row, "quantity": int(row["quantity"]), "price": Decimal(row["price"])} for row in csv.DictReader(file)
        ]


def fetch_rates(path):
    """Stands for a service that is often busy."""
    if get_current_job().attempt <= BUSY_ATTEMPTS:
        raise ConnectionError("the rates service is busy")
    with open(path) as file:
        return json.load(file, parse_float=Decimal)


def fetch_stock(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT product, pieces FROM stock"))


def fetch_ratings(path):
    with open(path) as file:
        return json.load(file)


def no_ratings(path):
    """Stands in for fetch_ratings, with the same arguments: the report can do without."""
    get_current_job().log(f"no ratings: {get_current_job().failed_job.message}")
    return {}


def merge(orders, rates, stock, ratings):
    """A row for each product that was ordered: how many pieces, for how many euros, those in stock, its rating."""
    sold, euros = Counter(), Counter()
    for order in orders:
        sold[order["product"]] += order["quantity"]
        euros[order["product"]] += order["quantity"] * order["price"] * rates[order["currency"]]
    return [[name, sold[name], euros[name], stock.get(name), ratings.get(name)] for name, _ in euros.most_common()]


def render(rows, path):
    lines = ["# Sales", "", "| Product | Sold | Euros | In stock | Rating |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, sold, euros, in_stock, rating in rows:
        lines.append(f"| {name} | {sold} | {euros:,.2f} | {known(in_stock)} | {known(rating)} |")
    with open(f"{path}.new", "w") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(f"{path}.new", path)  # who reads it sees the old report or the new, never half of one
    return path


def known(value):
    return "unknown" if value is None else value


def alert(workflow_id, url):
    """Stands for a mail or a message to a chat: what failed, and why."""
    workflow = Workflow.fetch(workflow_id, url=url)
    failed = [job for job in workflow.jobs if job.is_failed and not job.fallback_id]  # what has a fallback is no alarm
    return "\n".join([f"The {workflow.name} failed.", *(f"{job.func_name}: {job.explain()}" for job in failed)])
