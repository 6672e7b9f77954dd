import os
from contextlib import ExitStack, contextmanager
from heapq import merge
from itertools import islice
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

LINES_PER_PART = 20_000


@contextmanager
def whole(path):
    """Opens a file that appears under its name only once it is whole: nobody ever reads half of it.

    A job may run twice, even at the same time, if its worker was lost. Then the same file is made twice.
    """
    with TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder, path.name)
        with unfinished.open("w") as file:
            yield file
        os.replace(unfinished, path)


def split(source, folder):
    """Cuts a file into parts, and returns their paths: that is all that goes through Redis."""
    folder.mkdir(exist_ok=True)
    parts = []
    with source.open() as lines:
        while part := list(islice(lines, LINES_PER_PART)):
            parts.append(folder / f"{len(parts):04}.txt")
            with whole(parts[-1]) as file:
                file.writelines(part)
    return parts


def sort(part):
    target = part.with_suffix(".sorted")  # named for what it is made of: a second run writes the same file anew
    with part.open() as lines, whole(target) as file:
        file.writelines(sorted(lines))
    return target


def combine(parts, target):
    with ExitStack() as opened, whole(target) as file:
        file.writelines(merge(*[opened.enter_context(part.open()) for part in parts]))
    return target


def clean_up(folder):
    rmtree(folder, ignore_errors=True)
