from pathlib import Path
from random import Random

from rqdeps import Dependency, Queue

from steps import clean_up, combine, sort, split

source = Path("words.txt").resolve()
folder, target = source.with_suffix(".parts"), source.with_suffix(".sorted")
random = Random(1)
source.write_text("".join(f"{''.join(random.choices('aeinrst', k=9))}\n" for _ in range(60_000)))

q = Queue(url="embedded:./data")
parts = q.enqueue(split, source, folder)
sorted_parts = q.map(sort, parts.output)
result = q.enqueue(combine, sorted_parts.output, target)
# Whatever happens. A map ends only once all of its jobs have, so that nobody uses the folder any more.
cleaned = q.enqueue(clean_up, folder, depends_on=Dependency([parts, sorted_parts, result], rule="all_done"))

print("through Redis went", [path.name for path in sorted_parts.wait(timeout=60)])
lines = result.wait(timeout=60).read_text().splitlines()
print(f"{target.name} holds {len(lines)} lines, which are sorted: {lines == sorted(lines)}")
cleaned.wait(timeout=60)
print(f"{folder.name} is there: {folder.exists()}")
