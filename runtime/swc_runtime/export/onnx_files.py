"""ONNX files of plain members.

Takes a module; writes one file, whole or not at all. Guarantees: batches may be of any size; input and output have the
names given here; the file says which opset it needs, and nothing of the machine that wrote it; `reread_onnx` goes by
the file alone, in onnxruntime.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from swc.files.whole import whole
from torch import Tensor, nn

from swc_runtime.export.column_member import ColumnMember
from swc_runtime.inputs import Inputs, tensors_of
from swc_runtime.precision import IMAGE_AXES

if TYPE_CHECKING:
    import onnx

INPUT = "images"
OTHER_INPUT = "inputs"
COLUMNS = ("numbers", "codes")
OUTPUT = "logits"
BATCH = "batch"
OPSET = 20


def names_of(module: nn.Module, given: tuple[Tensor, ...]) -> list[str]:
    """What the inputs are called: `images` of four axes, else `inputs`; of several `input_0`, `input_1`, ....

    Those of a table are `numbers` and `codes`.
    """
    if isinstance(module, ColumnMember):
        return list(COLUMNS)
    if len(given) == 1:
        return [INPUT if given[0].dim() == IMAGE_AXES else OTHER_INPUT]
    return [f"input_{number}" for number in range(len(given))]


def write_onnx(module: nn.Module, path: Path, notes: Mapping[str, str], inputs: Inputs) -> None:
    """A model with the input `images` [batch, C, H, W], or those of `names_of`, and the output `logits` [batch,
    classes].

    Whatever the exporter raises passes through: a RuntimeError where it cannot follow the module.
    """
    model = _model(module, inputs)
    model.graph.name = notes.get("member", "")
    for name, said in notes.items():
        model.metadata_props.add(key=name, value=said)
    with whole(path) as partial:
        _save(model, partial)


def _model(module: nn.Module, inputs: Inputs) -> onnx.ModelProto:
    given, batch = tensors_of(inputs), torch.export.Dim(BATCH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own insides
        program = torch.onnx.export(
            module,
            given,
            input_names=names_of(module, given),
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=tuple({0: batch} for _ in given),
            verbose=False,
        )
    assert program is not None, "the exporter by torch.export always gives a program"
    return _without_traces(program.model_proto)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what the exporter notes of each node: where it stood in whose source code."""
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    return model


def _save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))


def reread_onnx(_: nn.Module, path: Path, inputs: Inputs) -> Tensor:
    """The outputs of the model that the file holds, in onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    given = {name: one.numpy() for name, one in zip(names, tensors_of(inputs), strict=True)}
    (logits,) = session.run([OUTPUT], given)
    return torch.from_numpy(logits)
