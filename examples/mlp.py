"""A multilayer perceptron from its formulas: a curve through noisy points.

hidden = tanh(x @ W1 + b1) and prediction = hidden @ W2 + b2. The gradients through both layers are worked out by nbdl;
Adam takes the steps. After a few rounds the whole step runs as one native program.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

import nbdl
from nbdl import optim

HIDDEN, STEPS = 10, 3000
rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-1, 1, (100, 1))).astype(np.float32)
y = (np.sin(3 * np.pi * x) * (1 - x**2) + 0.1 * rng.normal(size=(100, 1))).astype(np.float32)


def start(*shape, scale):
    """Starting values of a parameter: normal, with a standard deviation of `scale`."""
    return nbdl.Tensor(scale * rng.normal(size=shape).astype(np.float32), requires_grad=True)


w1, b1 = start(1, HIDDEN, scale=4), start(HIDDEN, scale=2)
w2, b2 = start(HIDDEN, 1, scale=HIDDEN**-0.5), start(1, scale=0)


def network(x):
    """tanh(x @ w1 + b1) @ w2 + b2, `(n, 1)`."""
    return nbdl.tanh(x @ w1 + b1) @ w2 + b2


optimizer = optim.adam(lr=0.01).attach([w1, b1, w2, b2])
errors = []
for number in range(STEPS):
    optimizer.zero_grad()
    error = nbdl.mean((network(nbdl.asarray(x)) - y) ** 2)
    error.backward()
    optimizer.step()
    errors.append(float(error))
    if number % 500 == 0:
        print(f"step {number:4}: mean squared error {errors[-1]:.4f}")
print(f"at last:   mean squared error {errors[-1]:.4f} (that of the noise is 0.01)")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
places = np.linspace(-1, 1, 400, dtype=np.float32)[:, None]
left.plot(x, y, "o", color=COLORS[0], markersize=4, alpha=0.6, label="data")
left.plot(places, np.sin(3 * np.pi * places) * (1 - places**2), "--", color=COLORS[6], label="true curve")
left.plot(places, network(nbdl.asarray(places)).numpy(), color=COLORS[1], linewidth=2, label="network")
left.set(xlabel="x", ylabel="y", title=f"{HIDDEN} hidden units, tanh")
right.loglog(range(1, STEPS + 1), errors, color=COLORS[0], label="error")
right.axhline(0.01, ls=":", color=COLORS[6], label="variance of the noise")
right.set(xlabel="step", ylabel="mean squared error", title="Training")
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.legend()
figure.savefig("mlp.png", dpi=150)
print("picture:", Path("mlp.png").absolute())
