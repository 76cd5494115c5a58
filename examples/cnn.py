"""A convolutional network from its formulas, on pictures of handwritten digits (8×8 pixels, from scikit-learn).

features = max over 2×2 windows of relu(convolution of the picture with 3×3 filters + bias); the classes' scores are a
matrix product of the features. The loss is the cross-entropy of softmax(scores).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

import nbdl
from nbdl import optim
from nbdl.activations import relu
from nbdl.data import load
from nbdl.losses import sparse_categorical_crossentropy

FILTERS, STEPS, BATCH = 12, 1200, 64
data = load("digits", seed=0)
train, test = data.train, data.test
side = train.x.shape[1]
rng = np.random.default_rng(0)


def start(*shape, scale):
    """Starting values of a parameter: normal, with a standard deviation of `scale`."""
    return nbdl.Tensor(scale * rng.normal(size=shape).astype(np.float32), requires_grad=True)


filters, bias = start(3, 3, 1, FILTERS, scale=(2 / 9) ** 0.5), start(FILTERS, scale=0)
features = (side // 2) ** 2 * FILTERS
weight, offset = start(features, 10, scale=features**-0.5), start(10, scale=0)


def scores(pictures):
    """The scores of ten digits for each picture, `(n, 10)`."""
    x = nbdl.reshape(pictures, (len(pictures), side, side, 1))
    x = nbdl.max_pool2d(relu(nbdl.conv2d(x, filters, padding="same") + bias), 2)
    return nbdl.reshape(x, (len(pictures), features)) @ weight + offset


def accuracy(split):
    """Share of the pictures whose digit has the largest score."""
    return np.mean(nbdl.argmax(scores(nbdl.asarray(split.x)), axis=1).numpy() == split.y)


optimizer = optim.adam(lr=3e-3).attach([filters, bias, weight, offset])
for number in range(STEPS):
    rows = rng.integers(len(train.x), size=BATCH)
    optimizer.zero_grad()
    loss = sparse_categorical_crossentropy(scores(nbdl.asarray(train.x[rows])), train.y[rows])
    loss.backward()
    optimizer.step()
    if number % 300 == 0:
        print(f"step {number:4}: loss {float(loss):.4f}, {accuracy(test):.1%} of the test pictures right")
right = accuracy(test)
print(f"at last: {accuracy(train):.1%} of the training pictures right, {right:.1%} of the test pictures")

p = nbdl.softmax(scores(nbdl.asarray(test.x))).numpy()
wrong = np.flatnonzero(p.argmax(axis=1) != test.y)[:6]
figure, axes = plt.subplots(3, 6, figsize=(9, 5.4), layout="constrained")
limit = np.abs(filters.numpy()).max()
for number, each in enumerate(axes[:2].flat):
    shades = each.imshow(filters.numpy()[:, :, 0, number], cmap="PuOr", vmin=-limit, vmax=limit)
    each.set_title(f"filter {number + 1}", fontsize="small")
figure.colorbar(shades, ax=axes[:2], label="weight", shrink=0.8)
for each in axes.flat:
    each.set(xticks=[], yticks=[])
for each, row in zip(axes[2], wrong, strict=False):
    each.imshow(test.x[row].reshape(side, side), cmap="gray_r")
    guess = p[row].argmax()
    each.set_title(f"{test.y[row]}, taken for {guess}\n({p[row, guess]:.0%} sure)", fontsize="small", color=COLORS[1])
for each in axes[2, len(wrong) :]:
    each.set_visible(False)
figure.suptitle(f"The filters, and pictures that were mistaken ({right:.1%} of the test pictures are right)")
figure.savefig("cnn.png", dpi=150)
print("picture:", Path("cnn.png").absolute())
