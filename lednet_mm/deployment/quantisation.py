"""INT8: an ONNX file whose convolutions compute with 8-bit weights and activations.

The file is in the QDQ form (``QuantizeLinear`` and ``DequantizeLinear`` around operators of the standard),
which ONNX Runtime, OpenVINO and others turn into integer arithmetic. Activations are unsigned 8-bit numbers,
whose ranges are those of the calibration images (MinMax). Weights are signed 7-bit numbers with one scale for
each output channel.

**Why 7 bits.** A CPU with AVX2 or AVX512 but without VNNI adds two products of an activation and a weight in
16 bits, with saturation. With 8-bit weights, 2 x 255 x 127 does not fit, and the file would predict other
classes there than on a CPU with VNNI. With 7-bit weights, 2 x 255 x 64 = 32,640 fits: no sum saturates.

**What stays in fp32.** Operators outside ``QUANTISED``: nonlinear ones other than ReLU and clip, such as
softmax, sigmoid and layer normalisation, and those that runtimes do not have in 8 bits. The normalisation of
the image is among them.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lednet_mm.deployment.export import IMAGES, LOGITS
from lednet_mm.deployment.folding import NORMS, affine
from lednet_mm.errors import InputError, describe_error
from lednet_mm.layers.deployment import replace_modules
from lednet_mm.record_format import Calibration

METHOD = "QDQ, MinMax, unsigned 8-bit activations, signed 7-bit weights per channel"

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""The operators with the arithmetic of a network."""

QUANTISED = (
    *PRODUCTS,
    *("Add", "Clip", "Concat", "LeakyRelu", "Mul", "Relu"),
    *("AveragePool", "GlobalAveragePool", "MaxPool", "Resize"),
    *("Flatten", "Gather", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)
"""The operators that compute with 8-bit numbers."""


@dataclass(frozen=True)
class Quantised:
    """The INT8 version of a network's deployment form.

    Attributes:
        content: content of the ONNX file, normalised images -> logits.
        calibration: what it was calibrated on.
        image: (1, C, H, W), the first of these images, on which its output can be checked.
        frame: (1, H, W, C) uint8, the same image as a camera gives it.
    """

    content: bytes
    calibration: Calibration
    image: Tensor
    frame: Tensor


def quantisable(form: nn.Module) -> nn.Module:
    """Return a deployment form with its remaining batch normalisations as convolutions of each channel alone.

    So these have 8-bit arithmetic too. And OpenVINO 2026.4 crashes on a file in which a batch normalisation
    follows quantised maps that were concatenated, as in ERFNet.
    """
    form = copy.deepcopy(form)
    replace_modules(form, {m: _as_convolution(m) for m in form.modules() if isinstance(m, NORMS)})
    return form


def _as_convolution(norm: Any) -> nn.Conv2d:
    factor, summand = affine(norm)
    convolution = nn.Conv2d(len(factor), len(factor), 1, groups=len(factor))
    convolution.weight = nn.Parameter(factor.reshape(-1, 1, 1, 1).to(norm.running_mean), requires_grad=False)
    convolution.bias = nn.Parameter(summand.to(norm.running_mean), requires_grad=False)
    return convolution


def quantise(content: bytes, images: Iterable[Tensor]) -> bytes:
    """Return the INT8 version of an exported network, unchecked and without metadata.

    Args:
        content: content of an ONNX file as :func:`~lednet_mm.deployment.export.export_onnx` returns it.
        images: (N, C, H, W) float32 inputs of that file on which the ranges of activations are measured.

    Raises:
        InputError: an operator cannot be quantised, or there is none that would be.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """The images in the form in which ONNX Runtime asks for them."""

        def __init__(self) -> None:
            self.images = iter(images)

        def get_next(self) -> Any:
            """Return the next input, or None after the last."""
            image = next(self.images, None)
            return None if image is None else {IMAGES: image.numpy()}

    with tempfile.TemporaryDirectory() as folder, _silent():
        prepared, made = Path(folder, "prepared.onnx"), Path(folder, "int8.onnx")
        try:
            quant_pre_process(onnx.load_from_string(content), prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                made,
                Reader(),
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            model = onnx.load(str(made))
        except InputError:
            raise
        except Exception as fault:  # it raises classes that depend on its version
            raise InputError(f"not quantised: {describe_error(fault)}") from fault
    integers = {output for node in model.graph.node for output in _dequantised(node)}
    if not any(set(node.input) & integers for node in model.graph.node if node.op_type in PRODUCTS):
        raise InputError("not quantised: the network has no operator that computes with 8-bit numbers")
    del model.metadata_props[:]
    used = {node.domain for node in model.graph.node}
    kept = [known for known in model.opset_import if known.domain in used]
    del model.opset_import[:]  # it lists every domain that ONNX Runtime has, which others may refuse
    model.opset_import.extend(kept)
    return model.SerializeToString()


def _dequantised(node: Any) -> Iterable[str]:
    return node.output if node.op_type == "DequantizeLinear" else ()


def with_class_ids(content: bytes) -> bytes:
    """Return an exported network with the class of the highest logit, (N, H, W) int64, as its output."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(content)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["scores" if name == LOGITS else name for name in node.output]
        node.input[:] = ["scores" if name == LOGITS else name for name in node.input]
    graph.node.append(helper.make_node("ArgMax", ["scores"], [LOGITS], axis=1, keepdims=0))
    shape = [size.dim_param or size.dim_value for size in graph.output[0].type.tensor_type.shape.dim]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.INT64, [shape[0], *shape[2:]]))
    return model.SerializeToString()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what ONNX Runtime's quantisation prints and logs from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
