"""Networks of Keras', and what they compute once a patch was pasted into them.

usage: KERAS_BACKEND=jax python3 keras_patch.py
Prints one line of JSON with each network's layers and weights; then reads one line, the path of a JSON file with a
list of {network, patches, parameters, fit}, and prints one line of JSON with what came of each.
"""
import json
import os
import sys
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
warnings.filterwarnings("ignore")

import keras
import numpy as np
from keras import layers

ROWS = 32


def mlp(act, loss_layer=None):
    """Functions within the layers."""
    model = keras.Sequential([keras.Input((8,))])
    for i in range(6):
        model.add(layers.Dense(12, activation=act, name=f"hidden_{i}"))
    model.add(layers.Dense(4, activation=loss_layer, name="out"))
    return model


def apart(act, loss_layer=None):
    """Functions that are layers, widths that change."""
    model = keras.Sequential([keras.Input((8,))])
    for i, width in enumerate([12, 12, 12, 16, 16]):
        model.add(layers.Dense(width, name=f"dense_{i}"))
        model.add(layers.ReLU(name=f"act_{i}") if act == "relu" else layers.Activation(act, name=f"act_{i}"))
    model.add(layers.Dense(4, name="out"))
    if loss_layer:
        model.add(layers.Activation(loss_layer, name="probabilities"))
    return model


def residual():
    """A residual network of the functional API, with plain layers before its blocks."""
    x = inputs = keras.Input((8,))
    for i in range(4):
        x = layers.Dense(12, activation="tanh", name=f"plain_{i}")(x)
    for i in range(3):
        y = layers.Dense(12, activation="relu", name=f"block_{i}_first")(x)
        y = layers.Dense(12, name=f"block_{i}_second")(y)
        x = layers.Add(name=f"block_{i}_sum")([x, y])
    return keras.Model(inputs, layers.Dense(4, name="out")(x))


def convolutions(act, norm, flat):
    x = inputs = keras.Input((8, 8, 3))
    for i, (filters, stride) in enumerate([(8, 1), (8, 1), (8, 1), (16, 2), (16, 1)]):
        if norm:
            x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, name=f"conv_{i}")(x)
            x = layers.BatchNormalization(name=f"conv_{i}_bn")(x)
            x = layers.Activation(act, name=f"act_{i}")(x)
        else:
            x = layers.Conv2D(filters, 3, strides=stride, padding="same", activation=act, name=f"conv_{i}")(x)
    x = (layers.Flatten(name="flat") if flat else layers.GlobalAveragePooling2D(name="pool"))(x)
    return keras.Model(inputs, layers.Dense(4, name="out")(x))


def recurrent(kind, two=False, both_ways=False):
    model = keras.Sequential([keras.Input((7, 6))])
    for i in range(2 if two else 1):
        cell = kind(10, return_sequences=two and i == 0, name=f"rnn_{i}")
        model.add(layers.Bidirectional(cell, name=f"rnn_{i}") if both_ways else cell)
    model.add(layers.Dense(4, name="out"))
    return model


def double():
    """A softmax of a softmax, as layers."""
    model = mlp("sigmoid", "softmax")
    model.add(layers.Softmax(name="again"))
    return model


def dead(model):
    for layer in model.layers[1:-1]:
        if hasattr(layer, "bias"):
            layer.bias.assign(layer.bias - 5)
    return model


def equal_units(model):
    for layer in model.layers[:-1]:
        for v in layer.weights:
            v.assign(np.full(v.shape, 0.01))
    return model


def scaled(model, by):
    for v in model.trainable_variables:
        v.assign(v * by)
    return model


networks = {
    "sigmoid": lambda: mlp("sigmoid"),
    "relu": lambda: scaled(mlp("relu"), 0.3),
    "dead": lambda: dead(mlp("relu")),
    "equal": lambda: equal_units(mlp("tanh")),
    "apart": lambda: apart("tanh"),
    "apart-relu": lambda: scaled(apart("relu"), 0.3),
    "residual": residual,
    "convolutions": lambda: convolutions("tanh", False, True),
    "convolutions-norm": lambda: convolutions("relu", True, False),
    "rnn": lambda: recurrent(layers.SimpleRNN, two=True),
    "rnn-both-ways": lambda: recurrent(layers.SimpleRNN, both_ways=True),
    "lstm": lambda: recurrent(layers.LSTM),
    "probabilities": lambda: mlp("sigmoid", "softmax"),
    "probabilities-apart": lambda: apart("tanh", "softmax"),
    "chances": lambda: mlp("sigmoid", "sigmoid"),
    "chances-apart": lambda: apart("tanh", "sigmoid"),
    "far": lambda: mlp("relu"),
    "double": lambda: double(),
    "exploding": lambda: scaled(mlp("relu"), 3.0),
}

kinds = {
    layers.InputLayer: "input",
    layers.Dense: "dense",
    layers.Conv2D: "conv2d",
    layers.BatchNormalization: "batch_norm",
    layers.Flatten: "flatten",
    layers.GlobalAveragePooling2D: "global_average_pooling2d",
    layers.Activation: "activation",
    layers.ReLU: "activation",
    layers.Softmax: "activation",
    layers.Add: "add",
    layers.SimpleRNN: "simple_rnn",
    layers.LSTM: "lstm",
}


def key(layer, v):
    """What a weight is called: its layer and, of a layer of two directions, its direction."""
    direction = next((d for d in ("forward_", "backward_") if d in v.path), "") if isinstance(
        layer, layers.Bidirectional) else ""
    return f"{layer.name}/{direction}{v.name}"


def variables(model):
    """All weights by name, those of a model within the model too."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found.update(variables(layer))
        else:
            found.update({key(layer, v): v for v in layer.weights if v.dtype == "float32"})
    return found


def describe(model):
    """The layers as plain data, in the order they are computed."""
    functional = keras.Model(model.inputs[0], model.outputs[0])
    entries = []
    for layer in functional.layers:
        node = layer._inbound_nodes[-1]
        inner = layer.forward_layer if isinstance(layer, layers.Bidirectional) else layer
        named = {layers.ReLU: "relu", layers.Softmax: "softmax"}
        activation = named.get(type(inner)) or getattr(inner, "activation", None)
        entries.append({
            "name": layer.name,
            "kind": kinds[type(inner)],
            "reads": [t._keras_history.operation.name for t in node.input_tensors],
            "activation": getattr(activation, "__name__", activation),
            "strides": list(getattr(layer, "strides", [])),
            "shape": [ROWS, *layer.output.shape[1:]],
            "weights": {
                key(layer, v).split("/")[1]: {"shape": list(v.shape), "values": np.asarray(v).ravel().tolist()}
                for v in layer.weights if v.dtype == "float32"
            },
        })
    return entries


def build():
    built, about = {}, {}
    for i, (name, make) in enumerate(networks.items()):
        keras.utils.set_random_seed(100 + i)
        model = make()
        x = np.random.default_rng(i).standard_normal((ROWS, *model.input_shape[1:])).astype("float32")
        if name.startswith("far"):
            x = x * np.float32(30) + np.arange(x.shape[-1], dtype="float32") * 100
        built[name] = (model, x)
        about[name] = {"layers": describe(model), "input": {"shape": list(x.shape), "values": x.ravel().tolist()}}
    return built, about


def apply(built, case):
    """The patched network's weights, which of them the patch changed, and its output with the values given."""
    original, inputs = built[case["network"]]
    keras.utils.set_random_seed(1)
    model = keras.models.clone_model(original)
    model.set_weights(original.get_weights())
    optimizer = keras.optimizers.get({"class_name": case["optimizer"], "config": {"learning_rate": case["rate"]}})
    model.compile(optimizer=optimizer, loss=case["loss"])
    before = {k: np.array(v) for k, v in variables(model).items()}
    targets = np.eye(4, dtype="float32")[np.arange(ROWS) % 4]
    names = {"model": model, "inputs": inputs, "targets": targets, "training_inputs": inputs}
    for patch in case["patches"]:
        exec(compile(patch, "patch", "exec"), names)
    model = names["model"]
    state = variables(model)
    drawn = {
        k: {"size": v.size if hasattr(v, "size") else int(np.prod(v.shape)), "mean": float(np.mean(v)),
            "square": float(np.mean(np.square(v))), "first": np.asarray(v).ravel()[:4].tolist(),
            "shape": list(v.shape)}
        for k, v in ((k, np.array(v)) for k, v in state.items())
        if not (k in before and before[k].shape == v.shape and np.array_equal(before[k], v))
    }
    unknown = [k for k in case["parameters"] if k not in state]
    for k, w in case["parameters"].items():
        if k in state:
            state[k].assign(np.asarray(w["values"], "float32").reshape(w["shape"]))
    missing = [k for k, v in state.items() if k not in case["parameters"] and v.trainable]
    # A GRU's recurrence and normalizations by the batch are those of training.
    outputs = np.asarray(model(inputs, training=True))
    start = {k: np.array(v) for k, v in state.items()}
    if not case["fit"]:
        return {"drawn": drawn, "unknown": unknown, "missing": missing, "output": outputs.ravel().tolist()}
    loss = model.fit(inputs, targets, batch_size=ROWS, epochs=1, shuffle=False, verbose=0).history["loss"][0]
    moved = any(np.any(np.array(v) != start[k]) for k, v in state.items() if v.trainable)
    return {"drawn": drawn, "unknown": unknown, "missing": missing, "output": outputs.ravel().tolist(),
            "loss": float(loss), "moved": bool(moved)}


def train(built, case):
    """The weights after some steps on all rows, trained as the patched code says."""
    original, inputs = built[case["network"]]
    model = keras.models.clone_model(original)
    model.set_weights(original.get_weights())
    model.compile(optimizer=keras.optimizers.SGD(case["rate"]), loss="mean_squared_error")
    targets = np.eye(4, dtype="float32")[np.arange(ROWS) % 4]
    names = {"model": model, "inputs": inputs, "targets": targets}
    for patch in case["patches"]:
        exec(compile(patch, "patch", "exec"), names)
    model = names["model"]
    model.fit(inputs, targets, batch_size=ROWS, epochs=case["steps"], shuffle=False, verbose=0)
    # What a patch defines, a file of the model must hold too.
    type(model.optimizer).from_config(model.optimizer.get_config())
    return {"weights": {k: np.asarray(v).ravel().tolist() for k, v in variables(model).items()}}


def main():
    built, about = build()
    print(json.dumps({"keras": keras.__version__, "networks": about}), flush=True)
    with open(sys.stdin.readline().strip()) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        try:
            results.append(train(built, case) if "steps" in case else apply(built, case))
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    print(json.dumps(results), flush=True)


main()
