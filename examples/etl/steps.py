"""The steps of the pipeline.

They hand on the paths of files, not the rows: what goes through the queue stays small. A step that runs a second time,
as it does when its worker died, writes the same file again.
"""

import contextlib
import csv
import os
import re
import shutil
import sqlite3
from datetime import date

from rows import keep_valid_rows, read_rows


def extract(source, staging):
    """Copies a file as it is now, so that all later steps see the same."""
    os.makedirs(staging, exist_ok=True)
    return shutil.copy(source, staging)


def validate_customers(path, rejects):
    return keep_valid_rows(path, rejects, lambda row: None if row["country"] else "no country")


def validate_products(path, rejects):
    return keep_valid_rows(path, rejects, lambda row: None if is_price(row["price"]) else "price is no amount")


def validate_orders(path, customers, products, rejects):
    known_customers = {row["customer"] for row in read_rows(customers)}
    known_products = {row["product"] for row in read_rows(products)}
    seen = set()

    def fault_of(row):
        if row["order"] in seen:
            return "repeated"
        seen.add(row["order"])
        if row["customer"] not in known_customers:
            return "unknown customer"
        if row["product"] not in known_products:
            return "unknown product"
        if not is_date(row["date"]):
            return "no such date"
        if not row["quantity"].isdecimal():
            return "quantity is no number"
        return None

    return keep_valid_rows(path, rejects, fault_of)


def transform(orders, customers, products):
    """Makes a sale of each order: in which month and country, and for how many cents."""
    countries = {row["customer"]: row["country"] for row in read_rows(customers)}
    cents = {row["product"]: round(float(row["price"]) * 100) for row in read_rows(products)}
    sales = os.path.join(os.path.dirname(orders), "sales.csv")
    with open(sales, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_id", "month", "country", "cents"])
        for row in read_rows(orders):
            amount = cents[row["product"]] * int(row["quantity"])
            writer.writerow([row["order"], row["date"][:7], countries[row["customer"]], amount])
    return sales


def load(sales, database):
    """Replaces the table in one transaction: who reads it sees the old sales or the new, never a part of them."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS sales (order_id TEXT PRIMARY KEY, month TEXT, country TEXT, cents INTEGER)"
        )
        connection.execute("DELETE FROM sales")  # so that a second load gives the same table
        connection.executemany("INSERT INTO sales VALUES (:order_id, :month, :country, :cents)", read_rows(sales))


def check(sales, database):
    """Compares what is in the table with what should be there."""
    rows = read_rows(sales)
    expected = (len(rows), sum(int(row["cents"]) for row in rows))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT COUNT(*), TOTAL(cents) FROM sales").fetchone()
    if found != expected:
        raise ValueError(f"the table holds {found}, but should hold {expected}")
    return f"{found[0]} sales for {found[1] / 100:,.2f} in total"


def clean_up(staging):
    shutil.rmtree(staging, ignore_errors=True)


def is_price(text):
    return re.fullmatch(r"\d+\.\d\d", text)


def is_date(text):
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
