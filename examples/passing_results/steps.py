import csv


def sales_of(shop):
    with open("sales.csv", newline="") as file:
        sold = {row["item"]: int(row["sold"]) for row in csv.DictReader(file) if row["shop"] == shop}
    if not sold:
        raise LookupError(f"there are no sales of {shop}")
    return sold


def best_seller(sold):
    return max(sold, key=sold.get)


def add_up(several):
    total = {}
    for sold in several:
        for item, number in sold.items():
            total[item] = total.get(item, 0) + number
    return total


def write_report(content):
    lines = [f"{shop}: {sum(sold.values()) if sold else 'unknown'}" for shop, sold in content["shops"].items()]
    return "\n".join([*lines, f"all: {sum(content['total'].values())}, most of it {content['best']}"])
