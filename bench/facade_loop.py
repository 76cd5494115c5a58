"""The loop of PyTorch's tutorials on `nbdl.compat.torch` and on PyTorch eager: microseconds a step of the same program.

    python bench/facade_loop.py [--rounds 9]

The network is W3 of `nbdl bench` (784-64-64-10, ReLU, Adam, batches of 32), its batches from a shuffled DataLoader or
sliced by a random permutation. Everybody has a turn of the same number of steps in each round; the ratio is the median
of those within a round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch as pytorch

import nbdl.compat.torch as facade

ROWS, BATCH, STEPS = 8192, 32, 64


def program(torch: Any, threads: int = 1) -> dict[str, Callable[[], float]]:
    """The program, on either; it returns the seconds of `STEPS` steps."""
    nn, functional = torch.nn, torch.nn.functional
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.random((ROWS, 784), dtype=np.float32))
    y = torch.tensor(rng.integers(0, 10, ROWS))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2, self.fc3 = nn.Linear(784, 64), nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.fc3(functional.relu(self.fc2(functional.relu(self.fc1(x)))))

    net, criterion = Net(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=BATCH, shuffle=True)

    def sliced() -> Iterator[Any]:
        order = torch.randperm(ROWS)
        for start in range(0, ROWS, BATCH):
            rows = order[start : start + BATCH]
            yield x[rows], y[rows]

    def run(batches: Callable[[], Iterator[Any]]) -> float:
        pytorch.set_num_threads(threads)
        begin = time.perf_counter()
        for _, (inputs, labels) in zip(range(STEPS), batches(), strict=False):
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
        loss.item()
        return time.perf_counter() - begin

    return {"DataLoader": lambda: run(lambda: iter(loader)), "slices": lambda: run(sliced)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    programs = {"nbdl": program(facade), **{f"PyTorch, {n} thread(s)": program(pytorch, n) for n in (1, 2)}}
    for kind in ("DataLoader", "slices"):
        for each in programs.values():
            each[kind]()  # compiles, and warms up
        times = [{name: each[kind]() / STEPS * 1e6 for name, each in programs.items()} for _ in range(rounds)]
        print(f"batches from {kind}: microseconds a step (times nbdl's, lowest to highest of the rounds)")
        for name in programs:
            ratios = [each[name] / each["nbdl"] for each in times]
            median = statistics.median(each[name] for each in times)
            print(f"  {name:22} {median:8.0f}  {statistics.median(ratios):6.2f}x ({min(ratios):.2f}-{max(ratios):.2f})")


if __name__ == "__main__":
    main()
