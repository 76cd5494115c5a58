"""Every kernel of every program of the tests, and of everything that is registered, assembles for a card: `-m slow`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda isn't installed: pip install 'nbdl[cuda]'")
if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    pytest.skip("the simulator compiles nothing", allow_module_level=True)

from nbdl.codegen.cuda.program import CudaProgram
from nbdl.codegen.plan import Variable
from nbdl.kernels.cuda.ptx import kernel_ptx, usage
from nbdl.kernels.cuda.recording import RecordingCard
from tests.codegen.cases import CASES
from tests.codegen.maker import Maker
from tests.codegen.test_images import CASES as IMAGES
from tests.codegen.test_scans import make as make_scan
from tests.gpu import walk
from tests.gpu.programs import step_on
from tests.scans import CASES as SCANS

pytestmark = pytest.mark.slow
CAPABILITY = (9, 0)
Programs = Iterator[list[Variable]]


def made(cases: dict[str, Callable[[Maker], None]]) -> Programs:
    for case in cases.values():
        for dtype in ("float32", "float64"):
            make = Maker(dtype=np.dtype(dtype))
            case(make)
            yield make.variables


def of_registered() -> Programs:
    yield from (walk.activation_program(each)[0] for each in walk.registered("activations"))
    yield from (program[0] for each in walk.registered("losses") for program in walk.loss_programs(each))
    yield from (walk.optimizer_program(each)[0] for each in walk.registered("optimizers"))
    yield from (walk.model_program(each, walk.rows_for(each)[0])[0] for each in walk.registered("models"))


PROGRAMS: dict[str, Callable[[], Programs]] = {
    "cases": lambda: made(CASES),
    "images": lambda: made(IMAGES),
    "scans": lambda: (make_scan(name).variables for name in SCANS),
    "registered": of_registered,
}


@pytest.mark.parametrize("group", PROGRAMS)
def test_kernels_assemble_and_spill_nothing(group: str) -> None:
    known: set[str] = set()
    for variables in PROGRAMS[group]():
        card = RecordingCard()
        step_on(card, CudaProgram(variables, group), 33)
        for kernel, arguments in card.launched:
            ptx = kernel_ptx(kernel, arguments, CAPABILITY)
            if ptx not in known:
                known.add(ptx)
                assert usage(ptx, CAPABILITY).spilled == 0, kernel.py_func.__name__
    assert len(known) > 20
