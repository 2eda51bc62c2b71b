"""Networks of PyTorch's, and what becomes of them trained as code that was pasted says.

usage: python3 torch_training.py FOLDER
Writes FOLDER/NAME.onnx for each network and prints one line of JSON with their inputs; then reads one line, the path of
a JSON file with a list of {network, patch, base, rate, loss, steps, last}, and prints one line of JSON with the results.
"""
import copy
import json
import re
import sys
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")

ROWS = 32


def mlp(act, *last):
    layers = []
    for a, b in zip([8, 12, 12, 12], [12, 12, 12, 4]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1], *last)


def scaled(model, by):
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(by)
    return model


networks = {
    "tanh": lambda: mlp(nn.Tanh),
    "exploding": lambda: scaled(mlp(nn.ReLU), 5),
    "chances": lambda: mlp(nn.Sigmoid, nn.Sigmoid()),
    "probabilities": lambda: mlp(nn.Sigmoid, nn.Softmax(-1)),
    "double": lambda: mlp(nn.Sigmoid, nn.Softmax(-1), nn.Softmax(-1)),
    "double-log": lambda: mlp(nn.Sigmoid, nn.Softmax(-1), nn.LogSoftmax(-1)),
    "far": lambda: mlp(nn.ReLU),
    "far-images": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)),
}


def build(folder):
    built, about = {}, {}
    for i, (name, make) in enumerate(networks.items()):
        torch.manual_seed(200 + i)
        model = make().train()
        x = torch.randn(ROWS, *((3, 8, 8) if name == "far-images" else (8,)))
        if name.startswith("far"):
            axis = 1
            shift = torch.arange(x.shape[axis], dtype=torch.float32) * 100
            x = x * 30 + shift.reshape(-1, *[1] * (x.dim() - 2))
        training = dict(training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
        torch.onnx.export(
            copy.deepcopy(model), x, f"{folder}/{name}.onnx", opset_version=13, input_names=["input"],
            output_names=["output"], dynamic_axes={"input": [0], "output": [0]}, **training,
        )
        built[name] = (model, x)
        about[name] = {"shape": list(x.shape), "input": x.flatten().tolist()}
    return built, about


bases = {
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
}


def run(built, case):
    """Once what stands before the training loop, then steps on all rows with what stands in it, where it says."""
    model, inputs = built[case["network"]]
    model = copy.deepcopy(model)
    torch.manual_seed(1)
    classes = torch.arange(ROWS) % 4
    names = {"model": model, "inputs": inputs, "training_inputs": inputs,
             "dataset": torch.utils.data.TensorDataset(inputs, classes)}
    setup, *rest = re.split(r"^# in the training loop, (.*)$", case["patch"], flags=re.M)
    exec(compile(setup, "patch", "exec"), names)
    place, inner = rest if rest else ("", "")
    model = names["model"]
    if case["last"]:  # left out of forward, as a comment asks
        model = model[:-1]
    optimizer = names.get("optimizer") or bases[case["base"]](model.parameters(), case["rate"])
    criterion = names.get("criterion") or (nn.CrossEntropyLoss() if case["loss"] == "cross-entropy" else nn.MSELoss())
    targets = classes if case["loss"] == "cross-entropy" else F.one_hot(classes, 4).float()
    names.update(model=model, optimizer=optimizer)
    losses, outputs = [], model(inputs).flatten().tolist()
    for _ in range(case["steps"]):
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        losses.append(loss.item())
        if place.startswith(("between", "before")):
            exec(compile(inner, "patch", "exec"), names)
        optimizer.step()
        if place.startswith("behind"):
            exec(compile(inner, "patch", "exec"), names)
    state = {key: value.flatten().tolist() for key, value in model.state_dict().items()}
    loader = names["loader"].batch_size if "loader" in names else None
    return {"output": outputs, "losses": losses, "state": state, "batch": loader}


def main():
    torch.set_num_threads(1)
    built, about = build(sys.argv[1])
    print(json.dumps(about), flush=True)
    with open(sys.stdin.readline().strip()) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        try:
            results.append(run(built, case))
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    print(json.dumps(results), flush=True)


main()
