"""Whole PyTorch programs on the facade: they learn, and their loops turn native."""

import numpy as np
import pytest

import nbdl.compat.torch as torch
import nbdl.compat.torch.nn.functional as F  # noqa: N812 - its usual name
from nbdl.compat.torch import nn, optim
from nbdl.compat.torch.utils.data import DataLoader, TensorDataset
from nbdl.optim.native import NativeUpdate


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def programs(optimizer):
    """The native programs and the steps that are still interpreted, of an optimizer's first group."""
    known = list(optimizer.param_groups[0].native.state.programs.values())
    return sum(isinstance(each, NativeUpdate) for each in known), len(known)


def test_a_recurrent_forecast():
    """The states to begin with are made in `forward`; the data don't change."""

    class Forecast(nn.Module):
        def __init__(self, units):
            super().__init__()
            self.units = units
            self.rnn = nn.LSTM(1, units, batch_first=True)
            self.out = nn.Linear(units, 1)

        def forward(self, x):
            begin = torch.zeros(1, x.size(0), self.units), torch.zeros(1, x.size(0), self.units)
            states, _ = self.rnn(x, begin)
            return self.out(states[:, -1])

    wave = torch.sin(torch.linspace(0, 30, 200))
    x = torch.stack([wave[start : start + 20] for start in range(0, 180, 5)]).unsqueeze(-1)
    y = torch.stack([wave[start + 20] for start in range(0, 180, 5)]).unsqueeze(-1)
    net, criterion = Forecast(12), nn.MSELoss()
    optimizer = optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]
    assert programs(optimizer)[0] == 1  # besides the first step, which also made the data


def test_a_convolutional_classifier_with_loaders():
    class Net(nn.Module):
        def __init__(self):
            super(Net, self).__init__()  # noqa: UP008 - as older programs have it
            self.conv = nn.Conv2d(1, 8, kernel_size=3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.drop = nn.Dropout(0.1)
            self.fc = nn.Linear(8 * 4 * 4, 3)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
            return self.fc(self.drop(x.view(x.size(0), -1)))

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 160)
    x = rng.random((160, 1, 8, 8), dtype=np.float32)
    for row, number in enumerate(y):
        x[row, 0, 2 * number : 2 * number + 3] += 1
    train = DataLoader(TensorDataset(torch.tensor(x[:120]), torch.tensor(y[:120])), batch_size=24, shuffle=True)
    test = DataLoader(TensorDataset(torch.tensor(x[120:]), torch.tensor(y[120:])), batch_size=16)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Net().to(device)
    criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    for _ in range(6):
        model.train()
        running = 0.0
        for inputs, labels in train:
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running += loss.item() * inputs.size(0)
        scheduler.step()
    assert running / len(train.dataset) < 0.2
    assert programs(optimizer)[0] == 1
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for inputs, labels in test:
            _, predicted = torch.max(model(inputs).data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    assert total == 40
    assert correct / total > 0.9


def test_two_networks_against_each_other():
    real = torch.randn(64, 2) * 0.1 + torch.tensor([1.0, -1.0])
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    judge = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    first = optim.Adam(generator.parameters(), lr=0.01, betas=(0.5, 0.999))
    second = optim.Adam(judge.parameters(), lr=0.01, betas=(0.5, 0.999))
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(300):
        fake = generator(torch.randn(64, 4))
        second.zero_grad()
        (criterion(judge(real), ones) + criterion(judge(fake.detach()), zeros)).backward()
        second.step()
        first.zero_grad()
        criterion(judge(fake), ones).backward()
        first.step()
    np.testing.assert_allclose(generator(torch.randn(500, 4)).detach().numpy().mean(axis=0), [1, -1], atol=0.35)
    assert programs(first)[0] == programs(second)[0] == 1


def test_a_polynomial_by_hand():
    x = torch.linspace(-1, 1, 200)
    y = torch.sin(3 * x)
    powers = x.unsqueeze(-1).pow(torch.tensor([1, 2, 3]))
    model = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0, 1))
    criterion = nn.MSELoss(reduction="sum")
    for _ in range(400):
        loss = criterion(model(powers), y)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 3e-3 * parameter.grad
    assert loss.item() / 200 < 0.01
    linear = model[0]
    assert linear.weight[0, 0].item() == pytest.approx(2.6, abs=0.3)  # of the best cubic on [-1, 1]
