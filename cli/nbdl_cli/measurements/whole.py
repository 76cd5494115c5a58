"""Whole programs in new processes, with a warm compile cache: all counts, from the start of Python to its end."""

from nbdl.benchmarking import OURS, Benchmark, ratios
from nbdl_cli.measurements.measurement import (
    Figures,
    Measurement,
    Results,
    Settings,
    Table,
    best_of,
    number,
    ratios_of,
    spread,
    spread_text,
    spreads,
)
from nbdl_cli.measurements.processes import chosen, run, tried


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Seconds of everybody's program in turns, what each printed, and what others have published."""
    programs, left_out = chosen(benchmark.whole, list(settings.peers))
    settings.tell(f"{benchmark.name}: filling the cache")
    tried({OURS: programs[OURS]}, "", left_out)
    times: dict[str, list[float]] = {name: [] for name in programs}
    printed: dict[str, list[float]] = {name: [] for name in programs}
    for count in range(settings.rounds):
        for name in list(programs):
            settings.tell(f"{benchmark.name}: round {count + 1} of {settings.rounds}: {name}")
            try:
                ran = run(programs[name])
            except ImportError as error:
                left_out[name] = str(error)
                del programs[name], times[name], printed[name]
                continue
            times[name].append(ran.seconds)
            printed[name].append(ran.number)
    peers = [name for name in times if name != OURS]
    best = {"best": spread(ratios(times, peers)) | {"program": best_of(spreads(times), peers)}} if peers else {}
    return {
        "seconds": spreads(times),
        "ratio": ratios_of(times),
        **best,
        "printed": printed,
        "published": dict(benchmark.published),
        "left_out": left_out,
    }


def table(results: Results) -> Table:
    """A line for each program, measured or published."""
    rows = []
    for name, figures in results.items():
        for program, seconds in figures["seconds"].items():
            ours = program == OURS
            ratio = "" if ours else spread_text(figures["ratio"][program])
            result = ", ".join(f"{each:.4g}" for each in dict.fromkeys(figures["printed"][program]))
            title = figures["title"] if ours else ""
            rows.append((name if ours else "", program, spread_text(seconds, " s"), ratio, result, title))
        for who, seconds in figures["published"].items():
            rows.append(("", f"published: {who}", f"{number(seconds)} s", "", "", ""))
    return Table(("", "program", "whole process", "times nbdl's (lowest to highest)", "result", ""), rows)


MEASUREMENT = Measurement("whole", "whole programs", "whole", measure, (table,), table)
