"""The most memory that a process has resident while it trains for some hundred steps."""

from nbdl.benchmarking import OURS, Benchmark
from nbdl_cli.measurements.measurement import (
    Figures,
    Measurement,
    Results,
    Settings,
    Table,
    number,
    ratios_of,
    spread_text,
    spreads,
)
from nbdl_cli.measurements.processes import MEMORY, chosen, run, tried

STEPS = 300
END = f"{MEMORY}\nrun({STEPS})\nprint(peak())\n"
MEBIBYTE = 2**20


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Bytes of everybody's process, with a warm compile cache."""
    programs, left_out = chosen(benchmark.programs, settings.peers)
    settings.tell(f"{benchmark.name}: first processes")
    tried(programs, END, left_out)
    used: dict[str, list[float]] = {name: [] for name in programs}
    for count in range(settings.rounds):
        settings.tell(f"{benchmark.name}: round {count + 1} of {settings.rounds}")
        for name, text in programs.items():
            used[name].append(run(text + END).number)
    return {"mebibytes": spreads(used, 1 / MEBIBYTE), "ratio": ratios_of(used), "steps": STEPS, "left_out": left_out}


def table(results: Results) -> Table:
    """A line for each program of each benchmark."""
    rows = []
    for name, figures in results.items():
        for program, used in figures["mebibytes"].items():
            ours = program == OURS
            ratio = "" if ours else spread_text(figures["ratio"][program])
            title = figures["title"] if ours else ""
            rows.append((name if ours else "", program, number(used["median"]), ratio, title))
    return Table(("", "program", "MiB", "times nbdl's (lowest to highest)", ""), rows)


MEASUREMENT = Measurement("memory", "peak memory of a process", "programs", measure, (table,), table)
