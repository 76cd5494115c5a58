"""`nbdl plot RUN ...`: learning curves, and what the network gets right and wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbdl_cli.output import JsonFlag, examples, print_json, print_table

if TYPE_CHECKING:
    from nbdl.errors import NbdlError
    from nbdl_cli.pictures.subject import Subject
    from nbdl_cli.pictures.table import Need

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl plot runs/mlp-digits-1",
        "nbdl plot runs/mlp-digits-1 --list",
        "nbdl plot runs/mlp-digits-1 --only confusion --only filters",
        "nbdl plot runs/mlp-digits-1 --only confusion --out confusion.pdf",
        "nbdl plot runs/mlp-digits-1 runs/mlp-digits-2 --out comparison.png",
    )
)
def plot(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN...", help="Folders of runs.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Draw this picture only; can be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where a single picture goes, by default the curves: .png, .svg or .pdf."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the pictures, and which a run can have.")] = False,
    json: JsonFlag = False,
) -> None:
    """Draw all pictures that a run can have into its folder; of several runs, their learning curves in comparison."""
    from nbdl.errors import OptionError
    from nbdl_cli.figures import check_picture_file
    from nbdl_cli.pictures.subject import Subject

    given = runs or []
    if listed:
        _list([Subject(run) for run in given], json)
        return
    if not given:
        raise OptionError("which run? Give its folder: nbdl plot RUN; nbdl plot --list lists the pictures")
    if out is not None:
        check_picture_file(out)
    if len(given) > 1:
        _compare(given, only or [], out, json)
    elif only or out is not None:
        _draw_some(Subject(given[0]), only or ["curves"], out, json)
    else:
        _draw_all(Subject(given[0]), json)


def draw_run(run: Path) -> list[Path]:
    """Draw everything there is to draw about a run into its folder, say what couldn't be, and return the files."""
    from nbdl_cli.pictures.subject import Subject
    from nbdl_cli.pictures.table import draw_all

    drawn = draw_all(Subject(run))
    for sentence in drawn.sentences():
        typer.echo(sentence, err=True)
    return list(drawn.files.values())


def _draw_all(subject: "Subject", json: bool) -> None:
    """Draw what applies. A run that is damaged is an error in the end; data that have moved away needn't be one."""
    from nbdl.errors import RunError
    from nbdl_cli.exit_codes import exit_code
    from nbdl_cli.pictures.table import draw_all

    drawn = draw_all(subject, lambda path: None if json else _tell(path))
    if json:
        _print_files(drawn.files, drawn.failures, subject)
    for sentence in drawn.sentences():
        typer.echo(sentence, err=True)
    for error in drawn.failures.values():
        if isinstance(error, RunError):
            raise typer.Exit(exit_code(error))


def _draw_some(subject: "Subject", names: list[str], out: Path | None, json: bool) -> None:
    """Draw the pictures of these names; what keeps one from being drawn is an error."""
    from nbdl.errors import OptionError
    from nbdl_cli.pictures.table import draw_to, find, require

    if out is not None and len(names) > 1:
        raise OptionError(f"--out {out} is one file, for one picture; name one with --only, or leave out --out")
    files = {}
    for picture in [require(find(name), subject) for name in dict.fromkeys(names)]:
        files[picture.name] = draw_to(picture, subject, out)
        if not json:
            _tell(files[picture.name])
    if json:
        _print_files(files, {}, subject)


def _compare(runs: list[Path], only: list[str], out: Path | None, json: bool) -> None:
    from nbdl.errors import OptionError
    from nbdl_cli.figures import drawing, save_figure
    from nbdl_cli.pictures.curves import draw_comparison
    from nbdl_cli.pictures.subject import Subject

    if set(only) - {"curves"}:
        raise OptionError("several runs are compared by their learning curves; draw other pictures of one run each")
    path = out or Subject(runs[0]).folder.plots / "comparison.png"
    with drawing():
        save_figure(draw_comparison(runs), path)
    if json:
        _print_files({"comparison": path})
    else:
        _tell(path)


def _list(subjects: "list[Subject]", json: bool) -> None:
    """Print the table of pictures, with a column for each run that says what it lacks for a picture."""
    from nbdl_cli.pictures.table import PICTURES

    rows = [(picture, [picture.lacking(subject) for subject in subjects]) for picture in PICTURES]
    if json:
        print_json([
            {
                "name": picture.name,
                "summary": picture.summary,
                "needs": [need.words for need in picture.needs],
                "applies": {str(subject.path): need is None for subject, need in zip(subjects, lacking, strict=True)},
            }
            for picture, lacking in rows
        ])
        return
    header = [subject.name for subject in subjects] or ["needs"]
    print_table(("picture", *header, ""), [
        (picture.name, *([_answer(need) for need in lacking] or [_words(picture.needs)]), picture.summary)
        for picture, lacking in rows
    ])


def _answer(lacking: "Need | None") -> str:
    return "yes" if lacking is None else f"no: it needs {lacking.words}"


def _words(needs: "tuple[Need, ...]") -> str:
    return ", ".join(need.words for need in needs)


def _tell(path: Path) -> None:
    from nbdl_cli.training import shown

    typer.echo(shown(path))


def _print_files(
    files: dict[str, Path], failures: "dict[str, NbdlError] | None" = None, subject: "Subject | None" = None
) -> None:
    print_json({
        "drawn": {name: str(path) for name, path in files.items()},
        "failed": {name: str(error) for name, error in (failures or {}).items()},
        **({} if subject is None else {"data_changed": subject.data_changed}),
    })
