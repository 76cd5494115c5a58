"""nbdl: the program that `fit` runs, with one and two workers."""

from __future__ import annotations

import numpy as np
from workloads import Workload

from nbdl import nn, random
from nbdl.train import tracing
from nbdl.train.device import choose_workers
from nbdl.train.feed import make_feed
from peers import Trainer


def network(workload: Workload) -> nn.Module:
    """The workload's network with its starting values."""
    inner = None if workload.activation == "linear" else workload.activation
    last = None if workload.output_activation == "linear" else workload.output_activation
    net = nn.Sequential(
        *[nn.Dense(size, activation=inner) for size in workload.sizes[1:-1]],
        nn.Dense(workload.sizes[-1], activation=last),
    )
    net.compile(optimizer="adam", loss="mse" if workload.loss == "mse" else "sparse_categorical_crossentropy")
    net(np.zeros((1, workload.sizes[0]), np.float32))
    net.load_state_dict(dict(zip([name for name, _ in net.named_parameters()], workload.parameters(), strict=True)))
    return net


def prepare(workload: Workload) -> dict[str, Trainer]:
    """One trainer, with the number of workers that `fit` would choose."""
    random.set_seed(0)
    net = network(workload)
    x, y = workload.data()
    feed = make_feed(x, y)
    tracing.build(net, feed)
    tracing.attach(net)
    traced = tracing.trace_training(net, feed)
    workers = choose_workers(traced.program.plan, workload.batch)
    bound = traced.program.bind(traced.arrays, batch=workload.batch, workers=workers)
    rng = np.random.default_rng(2)

    def run(steps: int) -> None:
        per_epoch = workload.rows // workload.batch
        while steps > 0:
            now = min(steps, per_epoch)
            bound.run(rng.permutation(workload.rows), 0, now)
            steps -= now

    return {"nbdl": Trainer(run, lambda: float(net.evaluate(x, y)["loss"]))}
