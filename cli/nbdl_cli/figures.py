"""How pictures look, whatever they show: colours, sizes for print, images in rows, and the files they go to.

matplotlib draws without a screen, and with a style of its own: what a user has set up for other plots doesn't count, so
a picture comes out the same wherever it is drawn.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.atomic import atomic_write
from nbdl.errors import OptionError
from nbdl.tensor_files import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart with any kind of colour vision, and in print. https://jfly.uni-koeln.de/color/
# Three more, for ten classes, are dark, light and dull.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999999", "#999933")
BLUE, RED, GREEN, BLACK = COLORS[0], COLORS[1], COLORS[2], COLORS[6]
GRAY = "#777777"
MARKS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")  # with COLORS 90 classes look different
ENDINGS = (".png", ".svg", ".pdf")
WIDTH, HEIGHT = 7.0, 9.5  # inches: a page of A4 or letter paper without its margins
DPI = 150
SMALLEST = 24  # pixels of an image's longer side, side by side with others
LONGEST = 28  # characters of a class or a column that are shown
STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "figure.titlesize": 10.5,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 6),
    "grid.alpha": 0.3,
    "image.interpolation": "nearest",
    "text.parse_math": False,  # a column may be called "price in $ (was $)"
    "svg.hashsalt": "nbdl",  # the same names in the file each time
}
UNDATED = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}  # so that the same picture is the same file


def check_picture_file(path: Path, option: str = "--out") -> None:
    """Raise `OptionError` for a file, given by an option, that no picture can be saved as."""
    if path.suffix.lower() not in ENDINGS:
        raise OptionError(f"{option} {path} needs one of the endings {', '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"{option} {path}: there is no folder {path.absolute().parent}")


@contextmanager
def drawing() -> Iterator[None]:
    """Inside, figures are made and saved in the style of nbdl."""
    import warnings

    from matplotlib import style

    with style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # it is drawn as a box
        yield


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, `width` by `height` inches, or as much of it as fits on a page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(width, WIDTH), min(height, HEIGHT)), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure to a file, as a whole or not at all. Raises `RunError` if it can't be written."""
    kind = path.suffix[1:].lower()
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            figure.savefig(file, format=kind, metadata=UNDATED[kind])


# --- words and numbers ------------------------------------------------------------------------------------------------


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a text that isn't too long for a label: without its middle, because names may begin or end alike.

    >>> shortened("a long name of class 12", 12)
    'a long…ss 12'
    """
    if len(text) <= longest:
        return text
    end = (longest - 1) // 2
    return f"{text[: longest - 1 - end]}…{text[len(text) - end :]}"


def percent(share: float) -> str:
    """Return a share for people, never as 0 % or 100 % what isn't.

    >>> percent(0.9713), percent(0.99999), percent(1.0)
    ('97.1 %', '>99.9 %', '100 %')
    """
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if not 0.0005 <= share < 0.9995:
        return "<0.1 %" if share < 0.5 else ">99.9 %"
    return f"{100 * share:.1f} %"


def number_text(value: float) -> str:
    """Return a number for people, with four digits at least that count.

    >>> number_text(30021.7), number_text(0.36381), number_text(-1.2e-9)
    ('30,022', '0.3638', '-1.2e-09')
    """
    if value and not 1e-3 <= abs(value) < 1e9:
        return f"{value:.4g}"
    digits = 4 - math.floor(math.log10(abs(value))) - 1 if value else 0
    return f"{value:,.{max(0, digits)}f}"


def some(count: int, most: int) -> np.ndarray:
    """Return up to `most` of the numbers below `count`, evenly, with the first and the last.

    >>> some(10, 4).tolist(), some(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


# --- images -----------------------------------------------------------------------------------------------------------


def show_image(axes: "Axes", image: np.ndarray, **options: Any) -> Any:
    """Draw an image, `(height, width)`, or `(height, width, 3)` in colours, without ticks; return its artist."""
    artist = axes.imshow(image, **options)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return artist


def mosaic(images: np.ndarray, columns: int, *, gap: int | None = None, fill: float = 1.0) -> np.ndarray:
    """Put images `(n, height, width, ...)` side by side, `columns` in a row, with some space between them.

    Images of few pixels get larger ones, so that the space can be small: a twelfth of an image wide, or `gap` pixels of
    the result. It has the value `fill`.

    >>> mosaic(np.zeros((5, 24, 24)), 3, gap=1).shape, mosaic(np.zeros((2, 3, 3)), 2).shape
    ((49, 74), (24, 50))
    """
    enlarged = max(1, SMALLEST // max(images.shape[1:3]))
    images = images.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    count, height, width, *channels = images.shape
    space = max(1, round(max(height, width) / 12)) if gap is None else gap
    rows = -(-count // columns)
    sizes = rows * (height + space) - space, columns * (width + space) - space
    board = np.full((*sizes, *channels), fill, np.float32)
    for place, image in enumerate(images):
        top, left = place // columns * (height + space), place % columns * (width + space)
        board[top : top + height, left : left + width] = image
    return board


def lightness(rows: np.ndarray, shape: Sequence[int], limits: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """Return rows as images from 0 to 1 that can be drawn: `(n, height, width)`, or `(n, height, width, 3)` in colours.

    `shape` is (height, width, channels); `limits` are the values of black and white.
    """
    black, white = limits
    images = np.clip((np.asarray(rows, np.float32).reshape(-1, *shape) - black) / (white - black), 0, 1)
    return images[..., 0] if shape[-1] == 1 else images[..., :3]
