"""A small language model beside PyTorch: the same network, starting values, batches and optimizer, in one process.

    python bench/char_transformer.py [--steps 2000] [--position rotary|learned] [--data-dir DIR] [--json FILE]

The setting is nanoGPT's for a CPU: tiny_shakespeare, 4 layers of 4 heads, width 128, context 64, batches of 12, AdamW
with a learning rate that warms up to 1e-3 for 100 steps and falls along a cosine to 1e-4. Both take turns of 50 steps,
so that a busy machine slows both; each has two threads. The validation loss is that of the last tenth of the text, in
windows one after the other. Compilation isn't counted, and reported apart.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nbdl import plugins, random
from nbdl.data import Dataset, load
from nbdl.hookspecs import training_of
from nbdl.machine import processor, versions
from nbdl.nn import Module
from nbdl.train import tracing
from nbdl.train.feed import make_feed

WIDTH, HEADS, LAYERS, CONTEXT, BATCH = 128, 4, 4, 64, 12
TURN = 50
THREADS = 2
WARMUP, RATE, LAST_RATE, BETA2, DECAY = 100, 1e-3, 1e-4, 0.99, 0.1

Run = Callable[[np.ndarray, int], None]
"""Trains on rows `(steps, batch)`, the first of which is a step of this number."""


# --- nbdl -------------------------------------------------------------------------------------------------------------


def ours(data: Dataset, steps: int, position: str) -> tuple[Module, Run]:
    """The model that `nbdl train char_transformer` trains, and its program."""
    random.set_seed(0)
    model = plugins.lookup("models", "char_transformer")
    net = model.make(outputs=data.outputs, tokens=data.tokens, position=position)
    then = {"name": "cosine", "steps": max(steps - WARMUP, 1), "lr": RATE, "end": LAST_RATE}
    schedule = {"name": "warmup", "steps": WARMUP, "then": then}
    optimizer = {**training_of(model.factory)["optimizer"], "lr": schedule}
    net.compile(optimizer, "sparse_categorical_crossentropy")
    feed = make_feed(data.train.x, data.train.y)
    tracing.build(net, feed)
    tracing.attach(net)
    traced = tracing.trace_training(net, feed)
    bound = traced.program.bind(traced.arrays, batch=BATCH, workers=THREADS)

    def run(rows: np.ndarray, first: int) -> None:
        bound.run(rows.reshape(-1), 0, len(rows))
        traced.take_over()

    return net, run


# --- PyTorch ----------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """x = x + attention(norm(x)), x = x + feed_forward(norm(x)); one projection makes queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH, bias=False)
        self.project = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.feed_forward_norm = nn.LayerNorm(WIDTH, bias=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH, bias=False)
        )

    def forward(self, x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor] | None) -> torch.Tensor:
        n, time_, _ = x.shape
        parts = self.project(self.attention_norm(x)).split(WIDTH, dim=2)
        query, key, value = (each.view(n, time_, HEADS, -1).transpose(1, 2) for each in parts)
        if turns is not None:
            query, key = (each * turns[0] + each.roll(WIDTH // HEADS // 2, -1) * turns[1] for each in (query, key))
        means = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.output(means.transpose(1, 2).reshape(n, time_, WIDTH))
        return x + self.feed_forward(self.feed_forward_norm(x))


class CharTransformer(nn.Module):
    """The same network."""

    def __init__(self, tokens: int, position: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, WIDTH)
        self.positions = nn.Parameter(torch.zeros(CONTEXT, WIDTH)) if position == "learned" else None
        self.turns = turns() if position == "rotary" else None
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding(x)
        if self.positions is not None:
            x = x + self.positions
        for block in self.blocks:
            x = block(x, self.turns)
        return self.norm(x) @ self.embedding.weight.T


def turns() -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines of rotary positions, `(context, depth)`."""
    depth = WIDTH // HEADS
    angles = torch.arange(CONTEXT)[:, None] * 10_000.0 ** (-torch.arange(0, depth, 2) / depth)
    return torch.cat([angles.cos()] * 2, 1), torch.cat([-angles.sin(), angles.sin()], 1)


def copied(values: dict[str, np.ndarray], tokens: int, position: str) -> CharTransformer:
    """PyTorch's network with our starting values."""
    net = CharTransformer(tokens, position)
    named = {"embedding.weight": values["embedding.weight"], "norm.weight": values["norm.scale"]}
    if position == "learned":
        named["positions"] = values["positions.table"]
    for number in range(LAYERS):
        ours_, theirs = f"blocks.{number}", f"blocks.{number}"
        parts = [values[f"{ours_}.attention.{part}.weight"].T for part in ("query", "key", "value")]
        named[f"{theirs}.project.weight"] = np.concatenate(parts)
        named[f"{theirs}.output.weight"] = values[f"{ours_}.attention.output.weight"].T
        named[f"{theirs}.attention_norm.weight"] = values[f"{ours_}.attention_norm.scale"]
        named[f"{theirs}.feed_forward_norm.weight"] = values[f"{ours_}.feed_forward_norm.scale"]
        named[f"{theirs}.feed_forward.0.weight"] = values[f"{ours_}.feed_forward.hidden.weight"].T
        named[f"{theirs}.feed_forward.2.weight"] = values[f"{ours_}.feed_forward.output.weight"].T
    net.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in named.items()})
    return net


def rate_at(step: int, steps: int) -> float:
    """The learning rate of a step."""
    after = min(max(step - WARMUP, 0) / max(steps - WARMUP, 1), 1)
    rate = LAST_RATE + (RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * after))
    return min((step + 1) / WARMUP, 1) * rate


def theirs(net: CharTransformer, data: Dataset, steps: int) -> Run:
    """PyTorch's loop, as its tutorials have it."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, BETA2), weight_decay=DECAY)
    x, y = np.asarray(data.train.x), np.asarray(data.train.y)
    text = torch.from_numpy(np.concatenate([x[:, 0], x[-1, 1:], y[-1, -1:]]).astype(np.int64))
    window = torch.arange(CONTEXT)

    def run(rows: np.ndarray, first: int) -> None:
        torch.set_num_threads(THREADS)
        for number, picked in enumerate(torch.from_numpy(rows), start=first):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(number, steps)
            optimizer.zero_grad()
            places = picked[:, None] + window
            logits = net(text[places])
            nn.functional.cross_entropy(logits.flatten(0, 1), text[places + 1].flatten()).backward()
            optimizer.step()

    return run


def their_loss(net: CharTransformer, x: np.ndarray, y: np.ndarray) -> float:
    """The loss over windows, by PyTorch."""
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(x), 128):
            picked, wanted = (torch.from_numpy(np.array(each[start : start + 128])) for each in (x, y))
            logits = net(picked)
            total += float(nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum"))
    return total / y.size


# --- the comparison ---------------------------------------------------------------------------------------------------


def compare(data: Dataset, steps: int, position: str) -> dict[str, Any]:
    """Train both, in turns; return seconds, milliseconds a step, and validation losses."""
    net, our_run = ours(data, steps, position)
    twin = copied(net.state_dict(), data.outputs, position)
    runs = {"nbdl": our_run, "torch": theirs(twin, data, steps)}
    rng = np.random.default_rng(0)
    order = rng.integers(0, len(data.train.x), (steps, BATCH))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for first in range(0, steps, TURN):
        for name, run in runs.items():
            begin = time.perf_counter()
            run(order[first : first + TURN], first)
            times[name].append(time.perf_counter() - begin)
        if first // TURN % 4 == 0:
            so_far = ", ".join(f"{name} {sum(each):.1f} s" for name, each in times.items())
            print(f"step {first:5}: {so_far}", flush=True)
    assert data.validation is not None
    x, y = data.validation.x, data.validation.y
    losses = {"nbdl": float(net.evaluate(x, y)["loss"]), "torch": their_loss(twin, np.asarray(x), y)}
    return {name: _summary(times[name], losses[name]) for name in runs}


def _summary(times: list[float], loss: float) -> dict[str, float]:
    """The first turn compiles, or warms up: it counts as much as the median of the others."""
    usual = float(np.median(times[1:] or times))
    return {
        "seconds": usual + sum(times[1:]),
        "milliseconds a step": usual / TURN * 1e3,
        "fastest": min(times) / TURN * 1e3,
        "extra in the first turn": max(times[0] - usual, 0.0),
        "validation loss": loss,
    }


def main() -> None:
    """Measure, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--position", choices=("rotary", "learned"), default="rotary")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    data = load("tiny_shakespeare", seed=0, window=CONTEXT, data_dir=arguments.data_dir)
    results = compare(data, arguments.steps, arguments.position)
    for name, result in results.items():
        print(f"{name}: " + ", ".join(f"{what} {value:.4g}" for what, value in result.items()))
    print(f"PyTorch takes {results['torch']['seconds'] / results['nbdl']['seconds']:.2f} times as long")
    if arguments.json:
        about = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "processor": processor(),
            "versions": versions() | {"torch": torch.__version__},
            "steps": arguments.steps,
            "position": arguments.position,
        }
        arguments.json.write_text(json.dumps({**about, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
