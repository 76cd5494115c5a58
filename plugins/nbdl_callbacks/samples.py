"""Keeping what a network generates after each epoch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from nbdl.errors import OptionError
from nbdl.tensor_files import save_tensors, writing
from nbdl.train.callbacks import Callback

FILE = re.compile(r"epoch-(\d+)\.safetensors")


class Samples(Callback):
    """Keep what a network generates from the same noise after each epoch, in the run's folder: samples/epoch-001...

    `nbdl plot` draws how it developed. Epoch 0 is the network before training. Of a long run every second, fourth, ...
    epoch is kept, and the newest one.

    Args:
        count: rows that are generated, as float16 `(count, ...)`.
        seed: what their noise is drawn from.
        most: about how many epochs are kept.

    Raises:
        OptionError: `count` or `most` is less than 1; the network can't generate; the run has no folder.

    Source: Goodfellow et al., Generative Adversarial Networks, https://arxiv.org/abs/1406.2661, figure 2.
    """

    def __init__(self, count: int = 64, seed: int = 0, most: int = 32):
        if count < 1 or most < 1:
            raise OptionError(f"samples needs a count and a most of at least 1, not {count} and {most}")
        self.count, self.seed, self.most = count, seed, most

    def run_start(self, run: Any) -> None:
        """Keep what the network generates before its first epoch."""
        if run.folder is None:
            raise OptionError("the callback samples keeps files in the run's folder, and this run has none")
        if not callable(getattr(run.net, "generate", None)):
            raise OptionError("the callback samples needs a network that has generate(count, seed)")
        if run.epoch == 0:
            self._keep(run, 0)

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Keep what the network generates now."""
        self._keep(run, run.epoch + 1)

    def _keep(self, run: Any, epoch: int) -> None:
        rows = np.asarray(run.net.generate(self.count, seed=self.seed), np.float16)
        with writing(run.folder.samples):
            run.folder.samples.mkdir(exist_ok=True)
        save_tensors(run.folder.samples / f"epoch-{epoch:03}.safetensors", {"samples": rows}, {"epoch": epoch})
        self._thin_out(run.folder.samples, epoch)

    def _thin_out(self, folder: Path, newest: int) -> None:
        """Remove epochs between those that stay, so that their number is bounded."""
        stride = 1
        while newest // stride > self.most:
            stride *= 2
        for path in folder.iterdir():
            found = FILE.fullmatch(path.name)
            if found and int(found[1]) % stride and int(found[1]) != newest:
                with writing(path):
                    path.unlink()
