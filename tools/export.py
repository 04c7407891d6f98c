"""Export a trained network to ONNX, checked against PyTorch before the file is written."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, describe_error, run_command
from lednet_mm.files import check_outputs, write_output
from lednet_mm.options import add_config, choice_of, positive

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

    from lednet_mm.deployment.camera import CameraExport
    from lednet_mm.deployment.export import Export


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/export.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      lednet_camvid.onnx --shape 360 480 --deployed\n\n"
        "The graph takes RGB images (N, 3, H, W), float32 in 0 to 255, normalises them itself, and gives\n"
        "logits (N, classes, H, W). A network of images with another number of channels takes those. The\n"
        "file's metadata say what the network, its classes and its input are, and where it comes from.\n"
        "With --end-to-end it takes one RGB image (H, W, 3), uint8, resizes it as the config's test\n"
        "pipeline does, and gives class ids (H, W), uint8, at the size of the image.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument("checkpoint", help="checkpoint with the weights of that network")
    parser.add_argument("out", metavar="OUT.onnx", help="the file to write")
    parser.add_argument(
        "--shape",
        nargs=2,
        type=positive,
        default=[512, 1024],
        metavar=("H", "W"),
        help="size at which the graph is checked, and to which it is fixed if the network allows no other "
        "(default 512 1024)",
    )
    parser.add_argument(
        "--deployed",
        action="store_true",
        help="export the deployment form: normalisation folded into the convolutions",
    )
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help="include pre- and postprocessing: the file takes a uint8 image (H, W, 3) and gives class ids",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.onnx if it exists")
    return parser


def main() -> None:
    """Export the network that the command line names, and print which input the file accepts."""
    arguments = build_parser().parse_args()
    from lednet_mm.config import files_of

    choice = choice_of(arguments)
    inputs = [*files_of(choice), arguments.checkpoint]
    check_outputs([arguments.out], inputs, overwrite=arguments.overwrite)
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

    # isort: split
    from lednet_mm.checkpoints.files import load_model
    from lednet_mm.config import load_config
    from lednet_mm.deployment.deploy import deploy
    from lednet_mm.deployment.export import Normalised, describe, export_onnx, require_onnx
    from lednet_mm.deployment.inference import REFUSALS, Inference, build_network, input_channels
    from lednet_mm.environment import choose_threads

    require_onnx()
    choose_threads()
    config = load_config(choice, arguments.cfg_options)
    model = build_network(config)
    load_model(model, arguments.checkpoint, config)
    network = Inference(model)
    channels = input_channels(network)
    if arguments.deployed:
        try:
            network = deploy(network)
        except REFUSALS as error:
            raise InputError(f"{config.filename}: no deployment form: {describe_error(error)}") from error
    metadata = describe(config, arguments.checkpoint, channels=channels, deployed=arguments.deployed)
    exported: Export | CameraExport
    if arguments.end_to_end:
        exported, differs = end_to_end(network, config, arguments, channels, metadata)
    else:
        exported = plain = export_onnx(
            Normalised(network, config.model.get("data_preprocessor") or {}, channels),
            shape=tuple(arguments.shape),
            scale=255.0,
            metadata=metadata,
        )
        differs = f"PyTorch by {plain.error:.1e} of the logits' spread at NxHxW"
    out = Path(arguments.out)
    write_output(out, exported.content, overwrite=arguments.overwrite)
    if not exported.dynamic:
        fixed = "x".join(map(str, exported.sizes[0]))
        print(f"fixed to {fixed} with {channels} channels: another size gives {exported.obstacle}")
    sizes = " and ".join("x".join(map(str, size)) for size in exported.sizes)
    free = "any height and width" if arguments.end_to_end else "any batch size, height and width"
    accepts = free if exported.dynamic else "this size alone"
    print(f"{out}: {len(exported.content) / 2**20:.1f} MiB, takes {accepts}; differs from {differs} {sizes}")
    print(f"sha256 {hashlib.sha256(exported.content).hexdigest()}")


def end_to_end(
    network: nn.Module, config: Config, arguments: argparse.Namespace, channels: int, metadata: dict[str, str]
) -> tuple[CameraExport, str]:
    """Export a network with its pre- and postprocessing, and say in words how it differs.

    Raises:
        InputError: the pipeline or the network cannot be exported, or the classes differ too much.
    """
    import torch

    from lednet_mm.deployment.camera import CameraIds, FromCamera, describe_camera, export_camera
    from lednet_mm.evaluation.prediction import Predictor

    predictor = Predictor(config, arguments.checkpoint, torch.device("cpu"))
    camera = FromCamera(network, config, channels, predictor.model.align_corners)
    exported = export_camera(
        CameraIds(camera, predictor.threshold),
        shape=tuple(arguments.shape),
        channels=channels,
        expected=lambda image: predictor.predict_loaded(predictor.frame(image, "the generated image")).ids,
        metadata={**metadata, **describe_camera(camera, channels)},
    )
    return exported, f"tools/predict.py in {exported.differing:.4%} of the pixels at HxW"


if __name__ == "__main__":
    run_command(main)
