"""Find the line behind noisy points: the smallest network, and what it found."""

import numpy as np

from nbdl import nn

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(500, 2)).astype(np.float32)
y = 3 * x[:, 0] - 2 * x[:, 1] + 0.5 + rng.normal(scale=0.05, size=500).astype(np.float32)

net = nn.Sequential(nn.Dense(1))
net.compile(optimizer={"name": "sgd", "lr": 0.1}, loss="mse", metrics=["r2"])
history = net.fit(x, y, epochs=20, batch_size=25, seed=0, verbose=False)

slope, intercept = net[0].weight.numpy()[:, 0], net[0].bias.numpy()[0]
print(f"y = {slope[0]:.3f} * x1 + {slope[1]:.3f} * x2 + {intercept:.3f}")
print(f"loss: {history['loss'][0]:.4f} in the first epoch, {history['loss'][-1]:.4f} in the last")
print(f"R2: {net.evaluate(x, y)['r2']:.4f}")
