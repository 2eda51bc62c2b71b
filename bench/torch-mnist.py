"""Ten hidden layers of 100 trained on dumped digits in PyTorch eager: folder, plain or batch-norm, epochs, batch, seed."""
import json, sys, time
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

folder, kind, epochs, batch, seed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
torch.set_num_threads(2)
torch.manual_seed(seed)


def read(split):
    x = torch.from_numpy(np.fromfile(f"{folder}/{split}.x", np.float32).reshape(-1, 784))
    return x, torch.from_numpy(np.fromfile(f"{folder}/{split}.y", np.int64))


(x, y), (vx, vy) = read("training"), read("validation")
layers, size = [], 784
for _ in range(10):
    layers += [nn.Linear(size, 100), *([nn.BatchNorm1d(100)] if kind == "batch-norm" else []), nn.ReLU()]
    size = 100
net = nn.Sequential(*layers, nn.Linear(size, 10))
for layer in net:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

start = time.perf_counter()
for _ in range(epochs):
    net.train()
    order = torch.randperm(len(x))
    for at in range(0, len(x) - batch + 1, batch):
        rows = order[at : at + batch]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        accuracy = (net(vx).argmax(1) == vy).float().mean().item()
print(json.dumps({"accuracy": accuracy, "seconds": time.perf_counter() - start}))
