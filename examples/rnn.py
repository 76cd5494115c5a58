"""A recurrent network from its formulas: it learns how a wave goes on, and then goes on by itself.

h_t = tanh(x_t @ W + h_{t-1} @ U + b) and the prediction of x_{t+1} is h_t @ V + c. `nbdl.scan` records the step over
time once; with its gradient it becomes a native loop.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

import nbdl
from nbdl import optim

UNITS, STEPS, ROWS, TIME = 32, 1500, 32, 60
KNOWN, AHEAD = 1000, 150
rng = np.random.default_rng(0)
t = np.arange(KNOWN + AHEAD)
wave = np.sin(2 * np.pi * t / 25) + 0.5 * np.sin(2 * np.pi * t / 7) + 0.05 * rng.normal(size=len(t))
wave = wave.astype(np.float32)


def start(*shape, scale):
    """Starting values of a parameter: normal, with a standard deviation of `scale`."""
    return nbdl.Tensor(scale * rng.normal(size=shape).astype(np.float32), requires_grad=True)


w, u, b = start(1, UNITS, scale=0.5), start(UNITS, UNITS, scale=UNITS**-0.5), start(UNITS, scale=0)
v, c = start(UNITS, 1, scale=UNITS**-0.5), start(1, scale=0)


def step(h, x):
    """The state after a step, h = tanh(x @ w + h @ u + b), and what it predicts to come next."""
    h = nbdl.tanh(x @ w + h @ u + b)
    return h, h @ v + c


optimizer = optim.adam(lr=3e-3).attach([w, u, b, v, c])
errors = []
for number in range(STEPS):
    begins = rng.integers(KNOWN - TIME - 1, size=ROWS)
    rows = wave[begins + np.arange(TIME + 1)[:, None], None]  # time, rows, 1
    optimizer.zero_grad()
    _, predictions = nbdl.scan(step, nbdl.zeros((ROWS, UNITS)), nbdl.asarray(rows[:-1]))
    error = nbdl.mean((predictions - rows[1:])[10:] ** 2)  # the first steps know too little
    error.backward()
    optimizer.step()
    errors.append(float(error))
    if number % 300 == 0:
        print(f"step {number:4}: mean squared error {errors[-1]:.4f}")
print(f"at last:   mean squared error {errors[-1]:.4f} (that of the noise is 0.0025)")

h, predictions = nbdl.scan(step, nbdl.zeros((1, UNITS)), nbdl.asarray(wave[:KNOWN, None, None]))


def go_on(state, _):
    """A step whose input is what the one before predicted."""
    h, x = state
    h, x = step(h, x)
    return (h, x), x


_, forecast = nbdl.scan(go_on, (h, predictions[-1]), length=AHEAD - 1)
forecast = np.concatenate([predictions.numpy()[-1:], forecast.numpy()]).ravel()
truth = wave[KNOWN:]
print(f"forecast of {AHEAD} steps: mean squared error {np.mean((forecast - truth) ** 2):.4f}, variance of the wave "
      f"{truth.var():.4f}")  # fmt: skip

figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5.5), layout="constrained")
top.plot(t[-2 * AHEAD :], wave[-2 * AHEAD :], color=COLORS[0], label="wave")
top.plot(t[KNOWN:], forecast, "--", color=COLORS[1], label="forecast from its own predictions")
top.axvline(KNOWN, ls=":", color=COLORS[6], label="end of what it has seen")
top.set(xlabel="time", ylabel="x", title=f"{UNITS} recurrent units")
top.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
bottom.semilogy(range(1, STEPS + 1), errors, color=COLORS[0], label="error, one step ahead")
bottom.axhline(0.0025, ls=":", color=COLORS[6], label="variance of the noise")
bottom.set(xlabel="step", ylabel="mean squared error", title="Training")
bottom.legend()
for axes in (top, bottom):
    axes.grid(alpha=0.3)
figure.savefig("rnn.png", dpi=150)
print("picture:", Path("rnn.png").absolute())
