"""Makes three small CSV files in work/sources, such as other systems export. A few rows of them are bad."""

import csv
import random
from pathlib import Path


def write(name, header, rows):
    with open(f"work/sources/{name}.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


Path("work/sources").mkdir(parents=True, exist_ok=True)
chance = random.Random(1)  # the same data each time

customers = [(f"C{n}", chance.choice(["Austria", "Portugal", "Sweden"])) for n in range(1, 21)]
products = [(f"P{n}", f"{chance.randint(100, 9900) / 100:.2f}") for n in range(1, 11)]
orders = [
    (f"O{n}", chance.choice(customers)[0], chance.choice(products)[0], f"2024-{chance.randint(1, 12):02}-15", n % 5 + 1)
    for n in range(1, 201)
]
write("customers", ["customer", "country"], customers)
write("products", ["product", "price"], [*products, ("P11", "free")])
write(
    "orders",
    ["order", "customer", "product", "date", "quantity"],
    [
        *orders,
        ("O201", "C99", "P1", "2024-03-15", 1),
        ("O202", "C2", "P11", "2024-03-15", 1),
        ("O203", "C3", "P1", "2024-02-30", 1),
        ("O204", "C4", "P1", "2024-03-15", "many"),
        ("O205", "C5"),
        orders[0],
    ],
)
