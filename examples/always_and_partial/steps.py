import shutil
from pathlib import Path

SALES = {"north": "12 30", "south": "7 8 9", "west": "5 unknown"}


def export(folder):
    for region, text in SALES.items():
        Path(folder, region).write_text(text)


def add_up(folder, region):
    return sum(int(number) for number in Path(folder, region).read_text().split())


def report(sums):
    known = {region: number for region, number in sums.items() if number is not None}
    missing = [region for region, number in sums.items() if number is None]
    return f"{sum(known.values())} in {', '.join(known)}; missing: {', '.join(missing) or 'none'}"


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)  # a job may run twice: the second time it is gone already
