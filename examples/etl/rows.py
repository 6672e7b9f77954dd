"""Reading rows of CSV files, and telling good ones from bad ones."""

import csv
import os


def read_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def keep_valid_rows(path, rejects, fault_of):
    """Writes the rows without a fault to a file beside the first, and the others to a file among the rejects."""
    os.makedirs(rejects, exist_ok=True)
    folder, name = os.path.split(path)
    valid = os.path.join(folder, f"valid_{name}")
    rejected = os.path.join(rejects, name)
    with (
        open(path, newline="") as source,
        open(valid, "w", newline="") as good_file,
        open(rejected, "w", newline="") as bad_file,
    ):
        reader = csv.DictReader(source)
        good = csv.DictWriter(good_file, reader.fieldnames)
        bad = csv.DictWriter(bad_file, [*reader.fieldnames, "fault"], extrasaction="ignore")
        good.writeheader()
        bad.writeheader()
        for row in reader:
            is_whole = None not in row and None not in row.values()  # None is what DictReader puts where columns differ
            fault = fault_of(row) if is_whole else "wrong number of columns"
            if fault:
                bad.writerow({**row, "fault": fault})
            else:
                good.writerow(row)
    return valid
