"""A small residual network."""

from __future__ import annotations

from nbdl import activations, nn
from nbdl.errors import OptionError
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor


class BasicBlock(nn.Module):
    """Two convolutions beside a connection that leads around them: y = relu(norm(conv(relu(norm(conv(x))))) + x).

    Args:
        filters: filters of both convolutions; x has as many channels, if the stride is 1.
        stride: of the first one; where it isn't 1, x goes through a 1x1 convolution and a normalisation.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, figure 2.
    """

    def __init__(self, filters: int, stride: int = 1):
        self.layers = nn.Sequential(
            nn.Conv2D(filters, 3, stride=stride, padding=1, use_bias=False, kernel_initializer="he_normal"),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.Conv2D(filters, 3, padding=1, use_bias=False, kernel_initializer="he_normal"),
            nn.BatchNorm(),
        )
        self.shortcut: nn.Sequential | None = None
        if stride != 1:
            projection = nn.Conv2D(filters, 1, stride=stride, use_bias=False, kernel_initializer="he_normal")
            self.shortcut = nn.Sequential(projection, nn.BatchNorm())

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return y."""
        x = only(inputs)
        around = x if self.shortcut is None else self.shortcut(x)
        return activations.relu(self.layers(x) + around)


def resnet(*, outputs: int, width: int = 16, blocks: int = 1, stages: int = 3) -> nn.Module:
    """Residual network: a 3x3 convolution, stages of basic blocks, the mean of all pixels, y = h @ weight + bias.

    Inputs are images (rows, height, width) or (rows, height, width, channels); the result is (rows, outputs): logits of
    classes, or numbers. Each stage has twice the filters of the one before, on half the height and width. With 3 stages
    of n blocks it is the paper's network of 6n + 2 layers for CIFAR-10, with projections where the size changes.

    Args:
        outputs: number of classes or targets.
        width: filters of the first stage.
        blocks: blocks of each stage.
        stages: number of stages.

    Raises:
        OptionError: a width, or a number of blocks or stages, below 1.

    >>> import numpy as np
    >>> resnet(outputs=10, width=4)(np.ones((2, 8, 8, 3), np.float32)).shape
    (2, 10)

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2.
    """
    if min(width, blocks, stages) < 1:
        raise OptionError(f"resnet needs a width, blocks and stages of at least 1, not {width}, {blocks} and {stages}")
    layers: list[nn.Module] = [
        nn.ImageInput(),
        nn.Conv2D(width, 3, padding=1, use_bias=False, kernel_initializer="he_normal"),
        nn.BatchNorm(),
        nn.Activation("relu"),
    ]
    for stage in range(stages):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(BasicBlock(width * 2**stage, stride))
    return nn.Sequential(*layers, nn.GlobalAveragePool(), nn.Dense(outputs))
