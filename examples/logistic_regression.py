"""Logistic regression from its formula: to which of two classes a point belongs, by gradient descent.

p = sigmoid(x @ weight + bias) is the probability of class 1; the loss is the mean of -log(p) over points of class 1 and
of -log(1 - p) over the others. The line p = 1/2 is straight: the corner of the true boundary is out of its reach.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

import nbdl
from nbdl.losses import binary_crossentropy

STEPS, RATE = 2000, 1.0
rng = np.random.default_rng(0)
x = rng.random((200, 2), dtype=np.float32)
y = ((x[:, 0] > 0.5) & (x[:, 1] > 0.5)).astype(np.float32)


def logits(parameters, points):
    """x @ weight + bias: positive for class 1, `(n,)`."""
    return points @ parameters["weight"] + parameters["bias"]


def loss(parameters):
    """Mean cross-entropy over the points."""
    return binary_crossentropy(logits(parameters, nbdl.asarray(x)), y, from_logits=True)


@nbdl.jit
def step(parameters):
    """The parameters after a step against the gradient, and their loss before."""
    value, gradient = nbdl.value_and_grad(loss)(parameters)
    return {name: each - RATE * gradient[name] for name, each in parameters.items()}, value


parameters, losses = {"weight": nbdl.zeros(2), "bias": nbdl.zeros(())}, []
for _ in range(STEPS):
    parameters, value = step(parameters)
    losses.append(float(value))

right = np.mean((logits(parameters, nbdl.asarray(x)).numpy() > 0) == y)
weight, bias = parameters["weight"].numpy(), float(parameters["bias"])
print(f"p = sigmoid({weight[0]:.2f} * x1 + {weight[1]:.2f} * x2 {bias:+.2f})")
print(f"loss: {losses[0]:.4f} at first (log 2 = {np.log(2):.4f}), {losses[-1]:.4f} at last; {right:.1%} right")

figure, (left, right_axes) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
side = np.linspace(0, 1, 200, dtype=np.float32)
grid = np.stack(np.meshgrid(side, side), axis=-1)
p = nbdl.sigmoid(logits(parameters, nbdl.asarray(grid))).numpy()
shades = left.contourf(side, side, p, levels=np.linspace(0, 1, 11), cmap="cividis", alpha=0.8)
figure.colorbar(shades, ax=left, label="probability of class 1")
left.contour(side, side, p, levels=[0.5], colors="white", linewidths=2)
left.plot([0.5, 0.5, 1], [1, 0.5, 0.5], "--", color=COLORS[1], label="true boundary")
for number, mark, color in ((0, "o", COLORS[5]), (1, "^", COLORS[4])):
    left.plot(*x[y == number].T, mark, color=color, markersize=5, markeredgecolor="black", label=f"class {number}")
left.set(xlabel="x1", ylabel="x2", title=f"{right:.1%} right; white: p = 1/2")
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)
right_axes.semilogx(range(1, STEPS + 1), losses, color=COLORS[0])
right_axes.set(xlabel="step", ylabel="cross-entropy", title="Descent")
right_axes.grid(alpha=0.3)
figure.savefig("logistic_regression.png", dpi=150)
print("picture:", Path("logistic_regression.png").absolute())
