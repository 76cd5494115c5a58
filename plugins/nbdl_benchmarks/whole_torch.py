"""Whole programs in PyTorch, as its tutorials write them, on data in memory; each prints how well it did."""

from __future__ import annotations

import torch
from torch import nn

from nbdl_benchmarks import whole_data


def matrix_exponential(threads: int) -> None:
    """Learn the exponential of matrices; print the loss."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, y = (torch.from_numpy(array) for array in whole_data.matrices())
    net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 4))
    optimizer, criterion = torch.optim.Adam(net.parameters()), nn.MSELoss()
    for _ in range(10_000):
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        print(float(criterion(net(x), y)))


def lenet5_mnist(threads: int) -> None:
    """Learn MNIST; print the accuracy on the test images."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, y, test_x, test_y = (torch.from_numpy(array) for array in whole_data.digits())
    x, test_x = x.permute(0, 3, 1, 2).contiguous(), test_x.permute(0, 3, 1, 2).contiguous()
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer, criterion = torch.optim.Adam(net.parameters()), nn.CrossEntropyLoss()
    for _ in range(10):
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            criterion(net(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        print(float((net(test_x).argmax(1) == test_y).float().mean()))
