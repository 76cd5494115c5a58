"""What the families of networks learn on real data: each by one command, with the figure that it should reach.

    python bench/trainings.py [NAME ...] [--data-dir DIR] [--runs DIR] [--seed 0] [--json FILE]

Each training is a command that anyone can give; it writes its figures to its run's folder (`report.json`), and they are
read from there. Images that adversarial networks make are judged by the convolutional network of this list: which
digits it sees in a thousand of them, and how sure it is. Without names all are trained; it takes about half an hour on
two cores. Runs that are already there are not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbdl.machine import cores, processor, versions

JUDGE = "cnn"
"""The training whose network looks at what others made."""
MADE = 1000

Figures = dict[str, float]


@dataclass(frozen=True)
class Training:
    """A command, and what should come out.

    `least` and `most` bound figures of the report's test part, or of the judgement where the network makes images.
    `then` are commands to give afterwards, for a run.
    """

    command: str
    least: Figures
    most: Figures
    judged: bool = False
    then: tuple[str, ...] = ()


def at_least(command: str, then: tuple[str, ...] = (), **figures: float) -> Training:
    """A training whose figures should be as high as this."""
    return Training(command, figures, {}, then=then)


def at_most(command: str, then: tuple[str, ...] = (), **figures: float) -> Training:
    """A training whose figures should be as low as this."""
    return Training(command, {}, figures, then=then)


def judged(command: str) -> Training:
    """A training after which images are made and judged."""
    bounds = {"digits": 10.0, "mean top probability": 0.85}
    return Training(command, bounds, {"largest share": 0.25}, True, ("generate {run} --count 25",))


PLOT = ("plot {run}",)
TRAININGS = {
    "mlp": at_least("mlp --data mnist --epochs 5", accuracy=0.975),
    "cnn": at_least("cnn --data mnist --epochs 3", accuracy=0.988),
    "lenet5": at_least("lenet5 --data mnist --epochs 10 --batch-size 128", accuracy=0.985),
    "vowels": at_least("gru --data japanese_vowels", accuracy=0.95),
    "sunspots": at_least(
        "gru --data sunspots --set model.hidden=32 --epochs 15 --schedule cosine --set schedule.lr=0.003"
        " --set schedule.steps=900 --set callbacks.best_weights.restore=false",
        PLOT,
        below_persistence=0.10,
    ),
    "temperatures": at_least("gru --data temperatures", PLOT, below_persistence=0.10),
    "pollution": at_least("gru --data pollution --set data.horizon=6", PLOT, below_persistence=0.10),
    "shakespeare": at_most(
        "char_transformer --data tiny_shakespeare",
        ("generate {run} --prompt ROMEO: --length 500 --out {run}/sample.txt",),
        val_loss=1.90,
    ),
    "addition": at_least("seq2seq --data addition", PLOT, exact_match=0.99),
    "dates": at_least("seq2seq --data dates", PLOT, exact_match=0.99),
    "autoencoder": at_most("autoencoder --data mnist", PLOT, loss=0.012),
    "vae": at_most("vae --data mnist --epochs 15", PLOT, loss=108.0),
    "gan": judged("gan --data mnist"),
    "dcgan": judged("dcgan --data mnist"),
}


def nbdl(*arguments: str) -> str:
    """Give a command; what it prints is returned, and shown if it fails."""
    program = Path(sys.executable).with_name("nbdl")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"nbdl {shlex.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def train(name: str, runs: Path, seed: int) -> Figures:
    """Train, and return what the run's report says: of the test rows, of the last epoch what was measured nowhere else,
    and the seconds of training and compilation.
    """
    run, training = runs / name, TRAININGS[name]
    if not (run / "report.json").exists():
        nbdl("train", *shlex.split(training.command), "--seed", str(seed), "--out", str(run))
        for command in training.then:
            nbdl(*(part.format(run=run) for part in shlex.split(command)))
    report = json.loads((run / "report.json").read_text())
    found = report["training"] | report.get("test", {})
    figures = {key: value for key, value in found.items() if isinstance(value, int | float)}
    figures |= judgement(run, runs) if training.judged else {}
    return figures | {"seconds": report["seconds"]}


def judgement(run: Path, runs: Path) -> Figures:
    """What the judge sees in images that a network makes."""
    nbdl("generate", str(run), "--count", str(MADE), "--seed", "0", "--out", str(run / "made.npy"))
    nbdl("predict", str(runs / JUDGE), str(run / "made.npy"), "--out", str(run / "judged.csv"))
    with open(run / "judged.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    seen = Counter(row["prediction"] for row in rows)
    top = [max(float(value) for key, value in row.items() if key.startswith("probability")) for row in rows]
    return {
        "digits": len(seen),
        "largest share": max(seen.values()) / len(rows),
        "mean top probability": sum(top) / len(rows),
    }


def verdict(training: Training, figures: Figures) -> list[tuple[str, bool]]:
    """Each bound as a text with the figure, and whether it holds."""
    found = [(f"{key} {figures[key]:.4g} (at least {bound:g})", figures[key] >= bound)
             for key, bound in training.least.items()]
    return found + [(f"{key} {figures[key]:.4g} (at most {bound:g})", figures[key] <= bound)
                    for key, bound in training.most.items()]  # fmt: skip


def main() -> None:
    """Train, print a line for each, and write the JSON file. Ends with 1 if a bound doesn't hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TRAININGS)}; by default all")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/trainings"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TRAININGS):
        parser.error(f"no training is called {', '.join(sorted(unknown))}; there are {', '.join(TRAININGS)}")
    if arguments.data_dir:
        os.environ["NBDL_DATA"] = str(arguments.data_dir.absolute())
    results, all_hold = {}, True
    for name in arguments.names or TRAININGS:
        training = TRAININGS[name]
        if training.judged:
            train(JUDGE, arguments.runs, arguments.seed)
        figures = train(name, arguments.runs, arguments.seed)
        found = verdict(training, figures)
        all_hold &= all(holds for _, holds in found)
        marks = "; ".join(text if holds else f"NOT {text}" for text, holds in found)
        print(f"{name:13} {marks}; {figures['seconds']:.0f} s", flush=True)
        command = f"nbdl train {training.command} --seed {arguments.seed}"
        results[name] = {"command": command, "bounded": [*training.least, *training.most], **figures}
    if arguments.json:
        about = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "processor": processor(),
            "cores": cores(),
            "versions": versions(),
        }
        arguments.json.write_text(json.dumps({**about, "trainings": results}, indent=2) + "\n")
    sys.exit(0 if all_hold else 1)


if __name__ == "__main__":
    main()
