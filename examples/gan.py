"""A training step of one's own: a generator and a judge that train against each other, each with its optimizer.

Real points lie on a ring; the generator turns random numbers into points that the judge should take for real ones.
The whole step, with both updates, is traced once and compiled.
"""

import numpy as np

import nbdl
from nbdl import nn, optim
from nbdl.activations import softplus


class Gan(nn.Module):
    """Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014, with the generator's loss that doesn't saturate."""

    def __init__(self, width=64):
        self.generator = nn.Sequential(
            nn.Dense(width, activation="relu"), nn.Dense(width, activation="relu"), nn.Dense(2)
        )
        self.judge = nn.Sequential(
            nn.Dense(width, activation="leaky_relu"), nn.Dense(width, activation="leaky_relu"), nn.Dense(1)
        )
        self.generator_optimizer = optim.adam(lr=5e-4, beta1=0.5)
        self.judge_optimizer = optim.adam(lr=1e-3, beta1=0.5)

    def train_step(self, batch):
        real, noise = batch.inputs
        fake = self.generator(noise)
        judged = nbdl.mean(softplus(-self.judge(real)) + softplus(self.judge(fake.detach())))
        self.judge_optimizer.minimize(judged, self.judge.parameters())
        fooled = nbdl.mean(softplus(-self.judge(fake)))
        self.generator_optimizer.minimize(fooled, self.generator.parameters())
        return {"judge": judged, "generator": fooled}


rng = np.random.default_rng(0)
angle = rng.uniform(0, 2 * np.pi, 4096)
real = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.normal(1.0, 0.05, (4096, 1))
noise = rng.normal(size=(4096, 8))

net = Gan()
history = net.fit((real, noise), epochs=200, batch_size=128, seed=0, verbose=False)
print(f"judge's loss: {history['judge'][-1]:.3f} (undecided: {2 * np.log(2):.3f})")
print(f"generator's loss: {history['generator'][-1]:.3f}")
made = net.generator.predict(rng.normal(size=(2000, 8)))
radius = np.hypot(*made.T)
print(f"radius of the made points: {radius.mean():.3f} +- {radius.std():.3f} (real: 1 +- 0.05)")
quarters = np.histogram(np.arctan2(made[:, 1], made[:, 0]), bins=4, range=(-np.pi, np.pi))[0]
print("made points in each quarter of the ring:", quarters)
