def extract(path):
    return open(path).read().splitlines()


def transform(lines):
    return [line.upper() for line in lines]


def load(lines):
    return len(lines)
