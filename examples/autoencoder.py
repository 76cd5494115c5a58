"""An autoencoder on pictures of handwritten digits: 64 pixels pass through two numbers and become 64 pixels again.

code = encoder(x) and reconstruction = decoder(code); the loss is the mean of (reconstruction - x)**2. The two numbers
make a map, on which the digits keep together though nobody has told the network their classes.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

from nbdl import nn
from nbdl.data import load

data = load("digits", seed=0)
x = data.train.x.reshape(len(data.train.x), -1)
unseen = data.test.x.reshape(len(data.test.x), -1)
pixels, side = x.shape[1], data.train.x.shape[1]

encoder = nn.Sequential(nn.Dense(64, activation="tanh"), nn.Dense(32, activation="tanh"), nn.Dense(2))
decoder = nn.Sequential(
    nn.Dense(32, activation="tanh"), nn.Dense(64, activation="tanh"), nn.Dense(pixels, activation="sigmoid")
)
net = nn.Sequential(encoder, decoder)
net.compile(optimizer={"name": "adam", "lr": 3e-3}, loss="mse")
history = net.fit(x, x, epochs=300, batch_size=64, seed=0, verbose=False)
error = net.evaluate(unseen, unseen)["loss"]
print(f"mean squared error: {history['loss'][0]:.4f} in the first epoch, {history['loss'][-1]:.4f} in the last")
print(f"of pictures not seen in training: {error:.4f}; of their mean picture {unseen.var(axis=0).mean():.4f}")

codes, made = encoder.predict(unseen), net.predict(unseen)
rows = [np.flatnonzero(data.test.y == number)[0] for number in range(10)]
figure = plt.figure(figsize=(9, 8), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=[1, 3])
for each, pictures, title in zip(above.subfigures(2, 1), (unseen, made), ("input", "output"), strict=True):
    for axes, row in zip(each.subplots(1, 10), rows, strict=True):
        axes.imshow(pictures[row].reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
    each.supylabel(title)
axes = below.subplots()
for number in range(10):
    points = codes[data.test.y == number]
    axes.plot(*points.T, marker=f"${number}$", ls="", color=COLORS[number], markersize=8, label=str(number))
axes.set(xlabel="first number of the code", ylabel="second number", title="Unseen digits by their codes")
axes.grid(alpha=0.3)
figure.savefig("autoencoder.png", dpi=150)
print("picture:", Path("autoencoder.png").absolute())
