"""Fitting a polynomial to points by gradient descent. Nothing here knows of jobs."""

import math


class DivergedError(ArithmeticError):
    """The learning rate is too large: the steps lead away from the points."""


def fit(points, degree, rate, steps=60):
    """The polynomial of a degree that is nearest to the points.

    Raises:
        DivergedError: the learning rate is too large.
    """
    centre = sum(x for x, _ in points) / len(points)
    spread = max(abs(x - centre) for x, _ in points)
    rows = [([((x - centre) / spread) ** power for power in range(degree + 1)], y) for x, y in points]
    coefficients = [0.0] * (degree + 1)
    loss_at_start = sum(y * y for _, y in points)
    for _ in range(steps):
        loss = 0.0
        gradient = [0.0] * (degree + 1)
        for powers, y in rows:
            error = sum(c * value for c, value in zip(coefficients, powers, strict=True)) - y
            loss += error * error
            for power, value in enumerate(powers):
                gradient[power] += 2 * error * value / len(rows)
        if loss > loss_at_start:
            raise DivergedError(f"the error grows: rate {rate} is too large")
        coefficients = [c - rate * slope for c, slope in zip(coefficients, gradient, strict=True)]
    return {"centre": centre, "spread": spread, "coefficients": coefficients}


def predict(model, x):
    scaled = (x - model["centre"]) / model["spread"]
    return sum(c * scaled**power for power, c in enumerate(model["coefficients"]))


def error_of(model, points):
    """How far off its predictions are: the root of the mean square."""
    return math.sqrt(sum((predict(model, x) - y) ** 2 for x, y in points) / len(points))
