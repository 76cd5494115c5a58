"""Linear regression from its formula: a line through noisy points, by gradient descent.

prediction = slope * x + intercept; the error is the mean of its squared distances from y. The gradient is worked out
by nbdl, and a step of the descent is one native program.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

import nbdl

STEPS, RATE = 1000, 0.1
rng = np.random.default_rng(0)
x = rng.random(100, dtype=np.float32)
y = (3 * x + 2 + 0.5 * rng.normal(size=100)).astype(np.float32)


def error(line):
    """Mean squared distance of the points from a line (slope, intercept)."""
    slope, intercept = line
    return nbdl.mean((slope * x + intercept - y) ** 2)


@nbdl.jit
def step(line):
    """The line after a step against the gradient, and its error before."""
    value, gradient = nbdl.value_and_grad(error)(line)
    return [number - RATE * slope for number, slope in zip(line, gradient, strict=True)], value


line, errors = [nbdl.Tensor(0.0), nbdl.Tensor(0.0)], []
for _ in range(STEPS):
    line, value = step(line)
    errors.append(float(value))

slope, intercept = (float(number) for number in line)
best_slope, best_intercept = np.polyfit(x, y, 1)
print(f"found by {STEPS} steps:  y = {slope:.3f} * x + {intercept:.3f}, error {errors[-1]:.4f}")
print(f"least squares:       y = {best_slope:.3f} * x + {best_intercept:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
ends = np.array([0, 1])
left.plot(x, y, "o", color=COLORS[0], markersize=4, alpha=0.6, label="data")
left.plot(ends, 3 * ends + 2, "--", color=COLORS[6], label="true line")
left.plot(ends, slope * ends + intercept, color=COLORS[1], linewidth=2, label="found line")
left.set(xlabel="x", ylabel="y", title=f"y = {slope:.2f} x + {intercept:.2f}")
right.loglog(range(1, STEPS + 1), errors, color=COLORS[0], label="error")
right.axhline(np.mean((best_slope * x + best_intercept - y) ** 2), ls=":", color=COLORS[6], label="least squares")
right.set(xlabel="step", ylabel="mean squared error", title="Descent")
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.legend()
figure.savefig("linear_regression.png", dpi=150)
print("picture:", Path("linear_regression.png").absolute())
