"""A workload as a benchmark: everything that can be measured of it, by framework."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from nbdl.benchmarking import OURS, Benchmark, Trainer, Trainers
from nbdl_benchmarks.workloads import Workload, grown, named

PEERS = ("torch", "torch_compile", "jax", "keras", "sklearn")
PREDICTING = ("torch", "onnxruntime")
EAGER = ("torch",)
PROGRAMS = ("torch", "jax")


def benchmark(workload: Workload) -> Benchmark:
    """Everything that can be measured of a workload."""
    return Benchmark(
        name=workload.name,
        title=f"{workload.title}, batch {workload.batch}",
        batch=workload.batch,
        rows=workload.rows,
        operations=workload.operations,
        bytes=workload.bytes,
        peers={peer: partial(_call, peer, "trainers", workload) for peer in (OURS, *PEERS)},
        inputs=workload.inputs,
        predictors={peer: partial(_call, peer, "predictors", workload) for peer in (OURS, *PREDICTING)},
        programs={peer: _program(peer, workload) for peer in (OURS, *PROGRAMS)},
        eager={peer: partial(_call, peer, "eager", workload) for peer in (OURS, *EAGER)},
        workers=partial(_with_workers, workload),
        sizes={axis: partial(_grown, workload, axis) for axis in ("batch", *workload.grows) if workload.grows},
        kernels=partial(_kernels, workload),
        fit=partial(_fit, workload),
    )


def on_card(workload: Workload) -> Benchmark:
    """What can be measured of a workload on an NVIDIA card: training steps."""
    return Benchmark(
        name=workload.name,
        title=f"{workload.title}, batch {workload.batch}, on a card",
        batch=workload.batch,
        rows=workload.rows,
        operations=workload.operations,
        bytes=workload.bytes,
        peers={
            OURS: partial(_call, OURS, "trainers", workload, 1, "cuda"),
            "torch": partial(_call, "torch_cuda", "trainers", workload),
            "torch_compile": partial(_call, "torch_cuda", "compiled_trainers", workload),
            "jax": partial(_jax_on_card, workload),
            "cupy": partial(_call, "cupy", "trainers", workload),
        },
        device="cuda",
    )


def _call(peer: str, function: str, workload: Workload, *options: Any) -> Any:
    """Call a function of the module of a framework, which may not be installed."""
    return getattr(import_module(f"nbdl_benchmarks.with_{peer}"), function)(workload, *options)


def _jax_on_card(workload: Workload) -> Trainers:
    """JAX's trainers, where it finds a card: it must leave memory to others, and multiply in float32, as they do."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    try:
        (card, *_) = jax.devices("gpu")
    except RuntimeError as error:
        raise NotImplementedError(f"JAX finds no card: {str(error).splitlines()[0]}") from error
    jax.config.update("jax_default_device", card)
    jax.config.update("jax_default_matmul_precision", "float32")
    trainers: Trainers = _call("jax", "trainers", workload)
    return trainers


def _with_workers(workload: Workload, workers: int) -> Trainer:
    trainer: Trainer = _call(OURS, "trainers", workload, workers)[OURS]
    return trainer


def _grown(workload: Workload, axis: str, factor: int) -> Benchmark:
    return benchmark(grown(workload, axis, factor))


def _kernels(workload: Workload, steps: int) -> dict[str, float]:
    found: dict[str, float] = _call(OURS, "kernels", workload, steps)
    return found


def _fit(workload: Workload, epochs: int) -> list[float]:
    clock: list[float] = _call(OURS, "fit", workload, epochs)
    return clock


def _program(peer: str, workload: Workload) -> str:
    if peer == OURS:
        return f"from nbdl_benchmarks.with_nbdl import training\nrun = training({workload.name!r})\n"
    return f"from nbdl_benchmarks.offers import training\nrun = training({peer!r}, {workload.name!r})\n"


def training(peer: str, name: str) -> Callable[[int], None]:
    """A program that trains so many steps with a peer: with its last trainer, on as many threads as it likes."""
    workload = named(name)
    trainers: Trainers = _call(peer, "trainers", workload)
    trainer = list(trainers.values())[-1]

    def run(steps: int) -> None:
        trainer.run(np.arange(steps * workload.batch).reshape(steps, workload.batch) % workload.rows)

    return run
