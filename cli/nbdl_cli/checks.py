"""What `nbdl doctor` looks at. Each check gives plain values and doesn't raise: broken parts are what it is for."""

import os
import sys
from typing import Any

from nbdl.cards import examine_cuda
from nbdl.errors import NbdlError
from nbdl.machine import cores, processor, versions
from nbdl.paths import cache_dir
from nbdl_cli.cache import cache_sizes, size_text

NEEDED = ("numpy", "numba", "llvmlite", "pluggy", "typer", "safetensors", "scikit-learn", "matplotlib", "pillow")
THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("NUMBA_DISABLE_JIT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),
)
# From wide to narrow: the first that the processor has says how wide its vectors are.
VECTOR_BITS = {"avx512f": 512, "avx2": 256, "avx": 256, "sse2": 128, "neon": 128, "vsx": 128}
NOTABLE = (*VECTOR_BITS, "fma", "avx512bw", "avx512vl", "avx512bf16", "avx512fp16", "amx-tile", "sve", "bf16")


def examine() -> dict[str, Any]:
    """Look at everything; `ok` says whether nbdl can work, `problems` what is in the way."""
    found: dict[str, Any] = {
        "versions": versions(),
        "executable": sys.executable,
        "processor": _processor(),
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "compiler": _compiler(),
        "cache": _cache(),
        "cuda": examine_cuda(),
        "plugins": _plugins(),
    }
    problems = [f"{name} isn't installed: pip install {name}" for name in NEEDED if not found["versions"][name]]
    if found["compiler"] != "works":
        problems.append(f"Numba can't compile: {found['compiler']}")
    if found["cache"]["problem"]:
        problems.append(found["cache"]["problem"])
    return {"ok": not problems, "problems": problems, **found}


def _processor() -> dict[str, Any]:
    about: dict[str, Any] = {"name": processor(), "cores": cores(), "vector_bits": 0, "features": []}
    try:
        from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

        has = {name for name, present in get_host_cpu_features().items() if present}
    except Exception:  # llvmlite missing, or a processor whose features LLVM can't tell
        return about
    width = next((bits for name, bits in VECTOR_BITS.items() if name in has), 0)
    features = [name for name in NOTABLE if name in has]
    return about | {"llvm_name": get_host_cpu_name(), "vector_bits": width, "features": features}


def _compiler() -> str:
    try:
        from numba import njit

        return "works" if njit(lambda x: x + 1)(1) == 2 else "it gives wrong results"
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _cache() -> dict[str, Any]:
    try:
        sizes = cache_sizes()
        folder = str(cache_dir())
    except (NbdlError, OSError) as error:
        return {"folder": None, "problem": str(error)}
    total = sum(size for _, size in sizes.values())
    files = sum(count for count, _ in sizes.values())
    return {"folder": folder, "files": files, "bytes": total, "size": size_text(total), "problem": ""}


def _plugins() -> list[dict[str, Any]]:
    from nbdl.plugins import report

    return [
        {
            "module": each.module,
            "package": each.package,
            "version": each.version,
            "state": each.state,
            "problems": [problem.cause for problem in each.problems],
        }
        for each in report()
    ]
