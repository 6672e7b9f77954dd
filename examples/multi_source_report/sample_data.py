"""Makes three sources in work/sources: orders as CSV, exchange rates as JSON, the stock as SQLite. No ratings."""

import contextlib
import sqlite3
from pathlib import Path

SOURCES = Path("work/sources")
SOURCES.mkdir(parents=True, exist_ok=True)

(SOURCES / "orders.csv").write_text("""\
product,quantity,price,currency
Lamp,3,24.90,EUR
Chair,4,79.00,USD
Lamp,1,21.50,GBP
Table,1,310.00,EUR
Chair,2,75.00,EUR
Lamp,5,24.90,EUR
Table,2,350.00,USD
""")

(SOURCES / "rates.json").write_text('{"EUR": 1, "GBP": 1.17, "USD": 0.92}\n')

with contextlib.closing(sqlite3.connect(SOURCES / "stock.sqlite")) as connection, connection:
    connection.execute("CREATE TABLE IF NOT EXISTS stock (product TEXT PRIMARY KEY, pieces INTEGER)")
    connection.executemany("REPLACE INTO stock VALUES (?, ?)", [("Lamp", 40), ("Chair", 0), ("Table", 3)])
