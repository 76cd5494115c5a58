"""Is there a CUDA driver, a card, and the packages that compile for it? Asked of the driver itself, through ctypes; and
what `auto` means here.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nbdl.errors import OptionError

COMPILERS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
PACKAGES = ("numba-cuda", *COMPILERS, "nvidia-cuda-nvcc", "nvidia-nvvm")
OLDEST = {13: (7, 5), 12: (5, 0)}
"""The compute capabilities from which on versions of CUDA compile."""
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
INSTALL = 'pip install "nbdl[cuda]"'


def is_simulated() -> bool:
    """Whether Numba's simulator stands in for a card."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


@cache
def why_no_card() -> str:
    """What keeps training from a card, and what would help; empty if nothing does."""
    found = examine_cuda()
    return "" if found["usable"] or is_simulated() else str(found["verdict"])


def choose_device(device: str) -> str:
    """Check the name of a device and return what `auto` means here.

    Raises `OptionError` if it doesn't exist, or isn't there.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"the device is auto, cpu or cuda, not {device!r}")
    if device == "cpu" or (device == "auto" and is_simulated()):
        return "cpu"
    missing = why_no_card()
    if device == "cuda" and missing:
        raise OptionError(f"CUDA can't be used here: {missing}; `nbdl doctor` says more, --device cpu works everywhere")
    return "cpu" if missing else "cuda"


def unused_card() -> str:
    """What keeps a card that is there from being used; empty if there is none, or nothing does."""
    return why_no_card() if examine_cuda()["cards"] else ""


def examine_cuda() -> dict[str, Any]:
    """Return the versions of driver and toolkit, the cards, the packages, and a verdict that says what is missing."""
    packages = {name: found for name in PACKAGES if (found := _version(name))}
    toolkit = next((packages[name] for name in COMPILERS if name in packages), None)
    about: dict[str, Any] = {"driver": None, "toolkit": toolkit, "cards": [], "packages": packages, "usable": False}
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return about | {"verdict": f"no NVIDIA driver ({DRIVER} isn't there); training runs on the CPU"}
    number = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(number))
    about["driver"] = f"{number.value // 1000}.{number.value % 1000 // 10}"
    status = driver.cuInit(0)
    if status:
        return about | {"verdict": f"the driver (CUDA {about['driver']}) is there but can't start: error {status}"}
    about["cards"] = _cards(driver)
    problem = what_is_missing(about["driver"], toolkit, about["cards"], packages)
    verdict = problem or f"driver for CUDA {about['driver']}, numba-cuda {packages['numba-cuda']}"
    return about | {"usable": not problem, "verdict": verdict}


def what_is_missing(
    driver: str, toolkit: str | None, cards: Sequence[Mapping[str, Any]], packages: Mapping[str, str]
) -> str:
    """What keeps kernels from running, and the command that installs it; empty if nothing does.

    >>> card = {"name": "an old card", "capability": "6.1"}
    >>> what_is_missing("13.0", "13.5.37", [card], {"numba-cuda": "0.30.4"})
    'an old card has compute capability 6.1, and CUDA 13 compiles for 7.5 and later: pip install "numba-cuda[cu12]"'
    """
    if not cards:
        return f"the driver (CUDA {driver}) finds no card"
    if "numba-cuda" not in packages:
        return f"a card is there, numba-cuda isn't: {INSTALL}"
    if toolkit is None:
        return ""  # the system's own, if there is one: Numba says so when it looks for it
    version_of_toolkit = int(toolkit.split(".")[0])
    if version_of_toolkit > int(driver.split(".")[0]):
        return (
            f"the driver runs code for CUDA {driver}, and the compiler makes it for CUDA {version_of_toolkit}: install "
            f'a newer driver, or pip install "numba-cuda[cu{driver.split(".")[0]}]"'
        )
    card, oldest = cards[0], OLDEST.get(version_of_toolkit, (0, 0))
    if tuple(int(each) for each in card["capability"].split(".")) < oldest:
        return (
            f"{card['name']} has compute capability {card['capability']}, and CUDA {version_of_toolkit} compiles for "
            f'{oldest[0]}.{oldest[1]} and later: pip install "numba-cuda[cu{version_of_toolkit - 1}]"'
        )
    return ""


def _cards(driver: Any) -> list[dict[str, Any]]:
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    return [_card(driver, number) for number in range(count.value)]


def _card(driver: Any, number: int) -> dict[str, Any]:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (MAJOR, MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(str(value.value))
    return {
        "name": name.value.decode(errors="replace"),
        "memory_gib": memory.value / 2**30,
        "capability": ".".join(capability),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
