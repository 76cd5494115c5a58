"""A training step of one's own: a generator and a judge that train against each other, each with its optimizer.

Real points lie on a ring; the generator turns random numbers into points that the judge should take for real ones.
The whole step, with both updates, is traced once and compiled.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nbdl_cli.figures import COLORS

import nbdl
from nbdl import nn, optim
from nbdl.activations import softplus

STAGES = (5, 45, 150)  # epochs of training until each picture


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
        """The judge learns to tell real points from made ones, then the generator to deceive it."""
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

net, seeds = Gan(), rng.normal(size=(1000, 8))
figure, panels = plt.subplots(1, len(STAGES), figsize=(10, 4), sharex=True, sharey=True, layout="constrained")
epochs = 0
for number, more in enumerate(STAGES):
    history = net.fit((real, noise), epochs=more, batch_size=128, seed=number, verbose=False)
    epochs += more
    made = net.generator.predict(seeds)
    panels[number].plot(*real[:1000].T, "o", color=COLORS[0], markersize=3, alpha=0.4, label="real")
    panels[number].plot(*made.T, "^", color=COLORS[1], markersize=3, alpha=0.6, label="made")
    panels[number].set(xlabel="x", title=f"after {epochs} epochs", aspect="equal", xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
    panels[number].grid(alpha=0.3)
panels[0].set_ylabel("y")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

print(f"judge's loss: {history['judge'][-1]:.3f} (undecided: {2 * np.log(2):.3f})")
print(f"generator's loss: {history['generator'][-1]:.3f}")
radius = np.hypot(*made.T)
print(f"radius of the made points: {radius.mean():.3f} +- {radius.std():.3f} (real: 1 +- 0.05)")
quarters = np.histogram(np.arctan2(made[:, 1], made[:, 0]), bins=4, range=(-np.pi, np.pi))[0]
print("made points in each quarter of the ring:", quarters)
figure.savefig("gan.png", dpi=150)
print("picture:", Path("gan.png").absolute())
