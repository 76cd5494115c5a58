"""First-layer filters: what the units that see the image look for."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl import nn
from nbdl.errors import DataError
from nbdl.nn.calls import noted_calls
from nbdl.tensor import Tensor
from nbdl_cli.figures import mosaic, new_figure, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

SHOWN = 64
COLUMNS = 8
BETWEEN = "#c8c8c8"  # neither a weight's colour nor white, which is a weight of 0


def draw_filters(subject: "Subject") -> "Figure":
    """Draw the weights of the first layer that sees the image: a small image for each unit or kernel.

    Those with the largest weights are drawn. Weights of one channel have a colour by sign and size; three channels are
    drawn as the colours that they look for.
    """
    from matplotlib import colormaps

    found = first_filters(subject)
    if found is None:
        raise DataError("the network has no dense or convolutional layer that sees the image")
    layer, filters = found
    strongest = np.argsort(-np.square(filters).sum(axis=(1, 2, 3)), kind="stable")[:SHOWN]
    chosen = filters[np.sort(strongest)]
    lines = -(-len(chosen) // COLUMNS)
    figure = new_figure(7, 0.6 + 5.7 * lines / COLUMNS)
    axes = figure.add_subplot()
    largest = float(np.abs(chosen).max()) or 1.0
    if chosen.shape[-1] == 3:
        show_image(axes, mosaic(0.5 + chosen / (2 * largest), COLUMNS))
        axes.set_xlabel(f"gray is a weight of 0, full colour one of {largest:.2g}")
    else:
        colors = colormaps["RdBu_r"].with_extremes(bad=BETWEEN)
        board = mosaic(chosen.mean(axis=-1), COLUMNS, fill=np.nan)
        image = show_image(axes, board, cmap=colors, vmin=-largest, vmax=largest)
        figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
    which = f"the {len(chosen)} strongest of {len(filters):,}" if len(chosen) < len(filters) else f"all {len(filters)}"
    size = "×".join(map(str, filters.shape[1:3]))
    figure.suptitle(f"{subject.name}: {which} filters of {layer}, {size} pixels each")
    return figure


def first_filters(subject: "Subject") -> tuple[str, np.ndarray] | None:
    """Return the name of the first layer that sees the image and its weights, `(filters, height, width, channels)`.

    None if there is none: no dense layer over all pixels, and no convolution with a kernel larger than a pixel.
    """
    height, width, channels = shape = subject.image_shape or (0, 0, 0)
    with noted_calls() as calls:
        subject.net.eval()(*map(Tensor, subject.inputs(subject.facts.sample())))
    for layer in [call.module for call in calls]:
        if isinstance(layer, nn.Dense) and layer.weight.shape[0] == height * width * channels:
            return layer._label, layer.weight.numpy().T.reshape(-1, *shape)
        if isinstance(layer, nn.Conv2D) and layer.weight.shape[2] == channels and max(layer.kernel) > 1:
            return layer._label, layer.weight.numpy().transpose(3, 0, 1, 2)
    return None
