import csv
import json

from rqdeps import get_current_job


def read_all(folder):
    """Spawns whatever it takes to read the files there are. Returns, by their names, what that will return."""
    job = get_current_job()
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".csv":
            found[path.name] = job.spawn(total_of, path).output
        elif path.suffix == ".json":
            found[path.name] = job.spawn(names_in, path).output
        elif path.suffix == ".txt":
            paragraphs = path.read_text().split("\n\n")
            counts = job.map(count_words, paragraphs)  # one job for each, however many there are
            found[path.name] = job.spawn(add_up, counts.output).output  # spawned jobs may depend on each other
        else:
            found[path.name] = "unknown"  # what is known already may stand beside outputs
    return found


def total_of(path):
    with path.open(newline="") as file:
        return sum(int(row["price"]) for row in csv.DictReader(file))


def names_in(path):
    return sorted(json.loads(path.read_text()))


def count_words(paragraph):
    return len(paragraph.split())


def add_up(numbers):
    return sum(numbers)


def write_report(found):
    return "\n".join(f"{name}: {value}" for name, value in found.items())
