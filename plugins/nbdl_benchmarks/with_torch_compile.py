"""PyTorch's `torch.compile`: loss and optimizer compiled, the loop as it is; with one and with two threads."""

from __future__ import annotations

import os
import shutil

import numpy as np
import torch

from nbdl.benchmarking import Trainer
from nbdl_benchmarks import with_torch
from nbdl_benchmarks.workloads import Workload

COMPILERS = ("g++", "clang++", "cl")


def trainers(workload: Workload) -> dict[str, Trainer]:
    """A trainer for each number of threads, which is fixed when it is compiled: in its first steps."""
    compiler = os.environ.get("CXX")
    if not any(shutil.which(each) for each in ([compiler] if compiler else COMPILERS)):
        raise NotImplementedError("torch.compile needs a C++ compiler, and there is none (CXX, or g++ in the path)")
    made = {}
    torch._dynamo.reset()  # it gives up on a function compiled eight times, such as the step of other benchmarks
    for threads in with_torch.THREADS:
        trainer = with_torch.trainer(workload, threads, torch.compile)
        try:
            trainer.run(np.zeros((0, workload.batch), np.int64))
        except RuntimeError as error:
            raise NotImplementedError(f"torch.compile can't: {str(error).splitlines()[0]}") from error
        made[f"torch.compile, {threads} thread{'s' * (threads > 1)}"] = trainer
    return made
