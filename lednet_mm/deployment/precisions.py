"""Number formats by name, and the largest accepted difference of each from float32.

Commands offer these names as choices, so this module does not import PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """A number format.

    Attributes:
        dtype: PyTorch's name for the type of weights and activations.
        rounding: largest relative error of rounding one number.
        tolerance: largest accepted ``rounding.output_error`` of a network that hardly amplifies rounding.
    """

    dtype: str
    rounding: float
    tolerance: float


PRECISIONS = {
    "fp32": Precision("float32", 2.0**-24, 1e-4),
    "tf32": Precision("float32", 2.0**-11, 2e-2),  # the factors of products are rounded to 10 bits
    "fp16": Precision("float16", 2.0**-11, 2e-2),
    "bf16": Precision("bfloat16", 2.0**-8, 1e-1),
}

INT8 = "int8"
"""The precision of an ONNX file whose weights and activations are quantised to 8 bits. Its check is the
accuracy on images (``lednet_mm.deployment.quantisation``)."""

INT8_TOLERANCE = 0.5
"""With a larger ``rounding.output_error``, INT8 logits may as well be wrong, and are not timed."""
