"""Training steps of the benchmark's networks in PyTorch eager: a name on the command line, questions on stdin (answer.mjs)."""
import json, resource, sys, time
import torch
from torch import nn
import torch.nn.functional as F

torch.set_num_threads(2)
name = sys.argv[1]


def mlp(depth, width, activation):
    layers, size = [], 784
    for _ in range(depth):
        layers += [nn.Linear(size, width), activation()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def resnet18(stem):
    blocks = [Block(a, b, s) for a, b, s in [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]]
    return nn.Sequential(*stem, nn.BatchNorm2d(64), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 128, 2)
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        return self.out(self.lstm(x)[0][-1])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        return self.out(self.encoder(x).mean(1))


networks = {
    "MLP 10×100 sigmoid, batch 32": (lambda: mlp(10, 100, nn.Sigmoid), (32, 784), 32),
    "MLP 20×512 ReLU, batch 128": (lambda: mlp(20, 512, nn.ReLU), (128, 784), 128),
    "ResNet-18, CIFAR 32×32, batch 32": (lambda: resnet18([nn.Conv2d(3, 64, 3, 1, 1, bias=False)]), (32, 3, 32, 32), 32),
    "LSTM 2×128, 50 steps, batch 32": (Recurrent, (50, 32, 64), 32),
    "Transformer 4×128, 64 tokens, batch 16": (Encoder, (16, 64, 128), 16),
}
build, shape, batch = networks[name]
torch.manual_seed(0)
net = build()
net.train()
optimizer = torch.optim.SGD(net.parameters(), lr=0.001)
x, y = torch.randn(shape), torch.randint(0, 10, (batch,))


parameters = list(net.parameters())


def step():
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


def monitored():
    """Every parameter's gradient norm, read in one go."""
    step()
    return torch.stack([p.grad.norm() for p in parameters]).tolist()


def inspected():
    monitored()
    return [torch.histc(p.grad, 64) for p in parameters]


variants = {"plain": step, "monitored": monitored, "inspected": inspected}
for line in sys.stdin:
    question = json.loads(line)
    times = []
    for _ in range(question["count"]):
        start = time.perf_counter()
        variants[question["variant"]]()
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms": times[len(times) // 2], "peak": peak}), flush=True)
