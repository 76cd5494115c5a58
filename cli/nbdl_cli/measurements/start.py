"""How long until the first step: from the start of Python to the end of a first training step, in new processes.

*Cold* begins with an empty compile cache, as on a new machine; *warm* with what the cold run left there. Processor
seconds are those of all processes, the helper's (`nbdl.kernels.helper`) included.
"""

import tempfile
from collections.abc import Mapping

from nbdl.benchmarking import OURS, Benchmark
from nbdl_cli.measurements.measurement import (
    Figures,
    Measurement,
    Results,
    Settings,
    Table,
    ratios_of,
    spread_text,
    spreads,
)
from nbdl_cli.measurements.processes import chosen, run, tried

END = "\nrun(1)\nimport time\nprint(time.time())\n"
WARM = 3
"""Warm runs after each cold one; the fastest of them counts for the round."""
KINDS = ("cold", "warm")

Times = dict[str, list[float]]


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Seconds to the end of the first step, cold and warm, of everybody in turns."""
    programs, left_out = chosen(benchmark.programs, settings.peers)
    settings.tell(f"{benchmark.name}: first processes")
    tried(programs, END, left_out)
    clock: dict[str, Times] = {kind: {name: [] for name in programs} for kind in KINDS}
    used: dict[str, Times] = {kind: {name: [] for name in programs} for kind in KINDS}
    for count in range(settings.rounds):
        settings.tell(f"{benchmark.name}: round {count + 1} of {settings.rounds}")
        for name, text in programs.items():
            for kind, (seconds, processor) in _first_steps(text).items():
                clock[kind][name].append(seconds)
                used[kind][name].append(processor)
    return {
        "seconds": {kind: spreads(clock[kind]) for kind in KINDS},
        "processor_seconds": {kind: spreads(used[kind]) for kind in KINDS},
        "ratio": {kind: ratios_of(clock[kind]) for kind in KINDS},
        "left_out": left_out,
    }


def _first_steps(program: str) -> Mapping[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        runs = [run(program + END, {"NBDL_CACHE_DIR": folder}) for _ in range(1 + WARM)]
    times = [(each.number - each.began, each.processor_seconds) for each in runs]
    return {"cold": times[0], "warm": min(times[1:])}


def table(results: Results) -> Table:
    """A line for each program of each benchmark."""
    rows = []
    for name, figures in results.items():
        for program in figures["seconds"]["warm"]:
            cells = []
            for kind in KINDS:
                cells += [
                    spread_text(figures["seconds"][kind][program], " s"),
                    f"{figures['processor_seconds'][kind][program]['median']:.2f}",
                ]
            ours = program == OURS
            title = figures["title"] if ours else ""
            rows.append((name if ours else "", program, *cells, title))
    columns = ("", "program", "cold", "processor seconds", "warm", "processor seconds", "")
    return Table(columns, rows)


MEASUREMENT = Measurement("start", "seconds to the first step", "programs", measure, (table,), table)
