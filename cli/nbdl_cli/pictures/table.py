"""The table of pictures: what each is called and shows, when it applies to a run, and how it is drawn."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbdl.errors import NbdlError, OptionError, suggest
from nbdl_cli.figures import drawing, save_figure
from nbdl_cli.pictures.attention import attends, draw_attention
from nbdl_cli.pictures.confusion import draw_confusion
from nbdl_cli.pictures.curves import draw_curves
from nbdl_cli.pictures.filters import draw_filters
from nbdl_cli.pictures.forecasts import draw_forecasts
from nbdl_cli.pictures.latent import draw_latent
from nbdl_cli.pictures.mistakes import draw_mistakes
from nbdl_cli.pictures.plane import draw_boundaries, draw_line
from nbdl_cli.pictures.predictions import draw_predictions
from nbdl_cli.pictures.reconstructions import draw_reconstructions
from nbdl_cli.pictures.samples import draw_samples
from nbdl_cli.pictures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Need:
    """What a picture needs of a run: in words, and as a test that reads no data."""

    words: str
    holds: Callable[[Subject], bool]


def _does(task: str) -> Callable[[Subject], bool]:
    return lambda run: run.net.task is None and run.facts.task == task


def _has(method: str) -> Callable[[Subject], bool]:
    return lambda run: run.method(method) is not None


CLASSIFICATION = Need("a network that tells classes apart", _does("classification"))
REGRESSION = Need("a network that predicts numbers", _does("regression"))
FORECAST = Need("forecasts of a series", lambda run: run.facts.is_forecast)
NO_FORECAST = Need("targets that are no later values of a series", lambda run: not run.facts.is_forecast)
RECONSTRUCTION = Need("a network that gives back its input", lambda run: run.net.task == "reconstruction")
IMAGES = Need("images", lambda run: run.image_shape is not None)
SEEN_OR_HEARD = Need("images or sequences of numbers", lambda run: run.image_shape is not None or _is_sequence(run))
ONE_FEATURE = Need("data of one feature", lambda run: _is_plain(run, 1))
TWO_FEATURES = Need("data of two features", lambda run: _is_plain(run, 2))
ENCODES = Need("a network with a method encode(x)", _has("encode"))
GENERATES = Need("a network with a method generate(count, seed)", _has("generate"))
ATTENDS = Need("a network with multi-head attention, or a method attention(x)", attends)


def _is_sequence(run: Subject) -> bool:
    return len(run.facts.input_shape) == 2 and run.facts.tokens is None


def _is_plain(run: Subject, features: int) -> bool:
    return run.facts.input_shape == (features,) and run.facts.tokens is None


@dataclass(frozen=True)
class Picture:
    """A picture that can be drawn of a run."""

    name: str
    summary: str
    draw: "Callable[[Subject], Figure]"
    needs: tuple[Need, ...] = ()

    def lacking(self, subject: Subject) -> Need | None:
        """Return the first thing that a run lacks for this picture; None if it applies."""
        return next((need for need in self.needs if not need.holds(subject)), None)


PICTURES = (
    Picture("curves", "loss and metrics after each epoch, in training and validation", draw_curves),
    Picture("confusion", "which classes are taken for which", draw_confusion, (CLASSIFICATION,)),
    Picture("misclassified", "the surest mistakes", draw_mistakes, (CLASSIFICATION, SEEN_OR_HEARD)),
    Picture("boundaries", "the class at each place of a plane", draw_boundaries, (CLASSIFICATION, TWO_FEATURES)),
    Picture("line", "what is predicted for each value of a feature", draw_line, (REGRESSION, ONE_FEATURE)),
    Picture("predictions", "predicted against true values", draw_predictions, (REGRESSION, NO_FORECAST)),
    Picture("forecasts", "forecasts, truth and the persistence forecast over time", draw_forecasts,
            (REGRESSION, FORECAST)),
    Picture("filters", "what the first layer looks for", draw_filters, (IMAGES,)),
    Picture("reconstructions", "what an autoencoder gives back", draw_reconstructions, (RECONSTRUCTION,)),
    Picture("latent", "where the codes of rows lie", draw_latent, (ENCODES,)),
    Picture("samples", "what a network generates, and how it learned to", draw_samples, (GENERATES, IMAGES)),
    Picture("attention", "where a network looks", draw_attention, (ATTENDS,)),
)


def find(name: str) -> Picture:
    """Return the picture of a name. Raises `OptionError`, suggesting near names."""
    for picture in PICTURES:
        if picture.name == name:
            return picture
    raise OptionError(f"there is no picture {name!r}; {suggest(name, [picture.name for picture in PICTURES])}")


def require(picture: Picture, subject: Subject) -> Picture:
    """Return a picture if it applies to a run. Raises `OptionError` if not, saying what the run lacks."""
    need = picture.lacking(subject)
    if need is None:
        return picture
    raise OptionError(f"{subject.path}: the picture {picture.name!r} needs {need.words}; "
                      f"`nbdl plot {subject.path} --list` shows what can be drawn")


# --- drawing ----------------------------------------------------------------------------------------------------------


def draw_to(picture: Picture, subject: Subject, path: Path | None = None) -> Path:
    """Draw a picture of a run to a file, by default `plots/NAME.png` in its folder; return the file.

    Raises:
        NbdlError: it can't be drawn, or not be written. What isn't foreseen becomes one too.
    """
    file = path or subject.folder.plots / f"{picture.name}.png"
    try:
        with drawing():
            save_figure(picture.draw(subject), file)
    except NbdlError:
        raise
    except Exception as error:
        if os.environ.get("NBDL_DEBUG", "") not in ("", "0"):
            raise
        raise NbdlError(f"this is a bug in nbdl or in a plugin: {type(error).__name__}: {error}; "
                        "NBDL_DEBUG=1 shows where") from error
    return file


@dataclass
class Drawn:
    """What came of drawing: files by the names of pictures, and what kept others from being drawn."""

    files: dict[str, Path] = field(default_factory=dict)
    failures: dict[str, NbdlError] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """Say what couldn't be drawn, once for each reason."""
        reasons: dict[str, list[str]] = {}
        for name, error in self.failures.items():
            reasons.setdefault(str(error), []).append(name)
        return [f"No picture of {', '.join(names)}: {reason}" for reason, names in reasons.items()]


def draw_all(subject: Subject, tell: Callable[[Path], None] = lambda path: None) -> Drawn:
    """Draw every picture that applies to a run into its folder; one that fails doesn't keep the others from it.

    `tell` is called with each file as soon as it is there.
    """
    drawn = Drawn()
    for picture in _applying(subject, drawn):
        try:
            drawn.files[picture.name] = draw_to(picture, subject)
        except NbdlError as error:
            drawn.failures[picture.name] = error
        else:
            tell(drawn.files[picture.name])
    return drawn


def _applying(subject: Subject, drawn: Drawn) -> list[Picture]:
    """The pictures that apply; where the network can't be read, those that need none."""
    try:
        return [picture for picture in PICTURES if picture.lacking(subject) is None]
    except NbdlError as error:
        drawn.failures["the network"] = error
        return [picture for picture in PICTURES if not picture.needs]
