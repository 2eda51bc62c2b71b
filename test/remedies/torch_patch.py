"""Networks of PyTorch's, exported to ONNX, and what they compute once a patch was pasted into them.

usage: python3 torch_patch.py FOLDER
Writes FOLDER/NAME.onnx for each network and prints one line of JSON about them; then reads one line, the path of a
JSON file with a list of {network, patches, parameters}, and prints one line of JSON with what came of each.
"""
import copy
import json
import sys
import warnings

import torch
import torch.nn as nn

warnings.filterwarnings("ignore")


class RMSNorm(nn.Module):
    """torch.nn.RMSNorm as of PyTorch 2.4, for older ones."""

    def __init__(self, size, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


if not hasattr(nn, "RMSNorm"):
    nn.RMSNorm = RMSNorm


widths = [8] + [12] * 6 + [4]


def chain(act):
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


class Lists(nn.Module):
    """Layers in one list, their activations in another; widths that change."""

    def __init__(self, act):
        super().__init__()
        widths = [8, 12, 12, 12, 12, 16, 16]
        self.hidden = nn.ModuleList([nn.Linear(a, b) for a, b in zip(widths, widths[1:])])
        self.acts = nn.ModuleList([act() for _ in self.hidden])
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        for layer, act in zip(self.hidden, self.acts):
            x = act(layer(x))
        return self.head(x)


class Calls(nn.Module):
    """Activations that are calls of functions in forward."""

    def __init__(self, act=torch.relu):
        super().__init__()
        self.act = act
        self.layers = nn.ModuleList([nn.Linear(8 if i == 0 else 12, 12) for i in range(6)])
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        for layer in self.layers:
            x = self.act(layer(x))
        return self.head(x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(8, 12)
        self.first = nn.ModuleList([nn.Linear(12, 12) for _ in range(3)])
        self.second = nn.ModuleList([nn.Linear(12, 12) for _ in range(3)])
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = self.stem(x)
        for first, second in zip(self.first, self.second):
            x = x + second(torch.relu(first(x)))
        return self.head(x)


class Convolutions(nn.Module):
    def __init__(self, act, norm):
        super().__init__()
        sizes = [(3, 8, 1), (8, 8, 1), (8, 8, 1), (8, 16, 2), (16, 16, 1)]
        layers = []
        for a, b, stride in sizes:
            layers += [nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=not norm)]
            layers += [nn.BatchNorm2d(b)] if norm else []
            layers += [act()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(16 * 16, 4)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.rnn = kind(6, 10, batch_first=True, **options)
        self.head = nn.Linear(20 if options.get("bidirectional") else 10, 4)

    def forward(self, x):
        y, h = self.rnn(x)
        if not isinstance(h, tuple):
            return self.head(y[:, -1]) + h.mean() * 0.1
        return self.head(y[:, -1])


def encoder_layer():
    return nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, batch_first=True)


class Transformer(nn.Module):
    def __init__(self, norm=None):
        super().__init__()
        self.embed = nn.Linear(6, 16)
        self.encoder = nn.TransformerEncoder(encoder_layer(), 2, norm=norm)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(1))


class Blocks(nn.Module):
    """Encoder layers without an encoder around them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, 16)
        self.blocks = nn.ModuleList([encoder_layer() for _ in range(2)])
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def shared():
    """One activation module in several places."""
    act = nn.Sigmoid()
    return nn.Sequential(*[layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), act)][:-1])


def equal_units(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not name.startswith("12"):
                p.fill_(0.01)
    return model


def dead(model):
    with torch.no_grad():
        for layer in list(model)[2:-1:2]:
            layer.bias.fill_(-5.0)
    return model


def small(model):
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.3)
    return model


flat, image, steps = (8,), (3, 8, 8), (7, 6)
networks = {
    "sigmoid": (lambda: chain(nn.Sigmoid), flat),
    "relu": (lambda: small(chain(nn.ReLU)), flat),
    "dead": (lambda: dead(chain(nn.ReLU)), flat),
    "equal": (lambda: equal_units(chain(nn.Tanh)), flat),
    "shared": (shared, flat),
    "lists": (lambda: Lists(nn.Tanh), flat),
    "lists-relu": (lambda: small(Lists(nn.ReLU)), flat),
    "calls": (lambda: small(Calls()), flat),
    "calls-tanh": (lambda: Calls(torch.tanh), flat),
    "residual": (Residual, flat),
    "convolutions": (lambda: Convolutions(nn.Tanh, False), image),
    "convolutions-norm": (lambda: Convolutions(nn.ReLU, True), image),
    "rnn": (lambda: Recurrent(nn.RNN, num_layers=2), steps),
    "rnn-no-bias": (lambda: Recurrent(nn.RNN, bias=False), steps),
    "rnn-both-ways": (lambda: Recurrent(nn.RNN, bidirectional=True), steps),
    "lstm": (lambda: Recurrent(nn.LSTM), steps),
    "lstm-no-bias": (lambda: Recurrent(nn.LSTM, bias=False), steps),
    "transformer": (Transformer, steps),
    "transformer-norm": (lambda: Transformer(nn.LayerNorm(16)), steps),
    "blocks": (Blocks, steps),
}

folded = {"sigmoid", "lists", "convolutions", "rnn", "lstm", "blocks", "convolutions-norm"}
ROWS = 32


def build(folder):
    built, about = {}, {}
    for i, (name, (make, shape)) in enumerate(networks.items()):
        torch.manual_seed(100 + i)
        model = make().train()
        x = torch.randn(ROWS, *shape)
        state = {key: list(value.shape) for key, value in model.state_dict().items()}
        training = dict(training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
        # As torch.onnx.export does it when nothing is said: names of folded weights are lost.
        for kind, options in [("", training)] + ([("-folded", {})] if name in folded else []):
            torch.onnx.export(
                copy.deepcopy(model), x, f"{folder}/{name}{kind}.onnx", opset_version=13, input_names=["input"],
                output_names=["logits"], **options,
            )
            built[name + kind] = (model, x)
            about[name + kind] = {"shape": list(x.shape), "input": x.flatten().tolist(), "state": state}
    return built, about


def apply(built, network, patches, parameters):
    """The patched network's parameters, which of them the patch changed, and its output with the values given."""
    model, inputs = built[network]
    model = copy.deepcopy(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(1)
    for patch in patches:
        exec(compile(patch, "patch", "exec"), {"model": model, "inputs": inputs})
    state = model.state_dict()
    drawn = {
        key: {"size": value.numel(), "mean": value.mean().item(), "square": value.pow(2).mean().item()}
        for key, value in state.items()
        if value.is_floating_point() and not (key in before and torch.equal(before[key], value))
    }
    with torch.no_grad():
        unknown = [key for key in parameters if key not in state]
        for key, values in parameters.items():
            if key in state:
                # numel may not differ: view raises.
                state[key].copy_(torch.tensor(values, dtype=state[key].dtype).view(state[key].shape))
        missing = [key for key, value in state.items() if key not in parameters and value.is_floating_point()]
        outputs = model.train()(inputs).flatten().tolist()
    return {"drawn": drawn, "unknown": unknown, "missing": missing, "output": outputs}


def main():
    torch.set_num_threads(1)
    built, about = build(sys.argv[1])
    print(json.dumps({"torch": torch.__version__, "networks": about}), flush=True)
    with open(sys.stdin.readline().strip()) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        try:
            results.append(apply(built, case["network"], case["patches"], case["parameters"]))
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    print(json.dumps(results), flush=True)


main()
