"""The steps of the training. Small values go from job to job, the points stay in files."""

import csv
import json
import os
import random

from rqdeps import get_current_job

from polynomial import error_of, fit

FOLDS = 5


def make_data(path):
    """Makes up how many bicycles were rented on 100 days, by temperature. The seed makes it the same each time."""
    chance = random.Random(4)
    points = []
    for _ in range(100):
        temperature = round(chance.uniform(-5, 35), 1)
        rented = 400 - 0.6 * (temperature - 23) ** 2 + chance.gauss(0, 25)
        points.append((temperature, round(rented)))
    return write_points(path, points)


def split(path, folder):
    """Puts a fifth of the points aside for the test, which no training may see."""
    points = read_points(path)
    random.Random(1).shuffle(points)
    size = len(points) // 5
    write_points(os.path.join(folder, "test.csv"), points[:size])
    write_points(os.path.join(folder, "train.csv"), points[size:])
    return folder


def cross_validate(folder, degree, rate):
    """The mean error on points that were left out of the training, each fold of them in turn."""
    points = read_points(os.path.join(folder, "train.csv"))
    errors = []
    for fold in range(FOLDS):
        seen = [point for number, point in enumerate(points) if number % FOLDS != fold]
        left_out = points[fold::FOLDS]
        errors.append(error_of(fit(seen, degree, rate), left_out))
        get_current_job().progress(fold + 1, FOLDS, f"error {errors[-1]:.1f}")
    return sum(errors) / FOLDS


def pick_best(grid, errors):
    """Those parameters that gave the least error. That of a trial which failed is None."""
    finished = [(error, parameters) for error, parameters in zip(errors, grid, strict=True) if error is not None]
    return min(finished, key=lambda each: each[0])[1]


def train(folder, parameters):
    return fit(read_points(os.path.join(folder, "train.csv")), **parameters)


def evaluate(folder, model):
    return error_of(model, read_points(os.path.join(folder, "test.csv")))


def save(path, parameters, model, test_error):
    """Writes the model under another name first, so that nobody ever reads half of it."""
    with open(f"{path}.new", "w") as file:
        json.dump({"parameters": parameters, "test_error": test_error, **model}, file, indent=2)
    os.replace(f"{path}.new", path)
    return path


def read_points(path):
    with open(path, newline="") as file:
        return [(float(x), float(y)) for x, y in csv.reader(file)]


def write_points(path, points):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(points)
    return path
