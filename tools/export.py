"""Export a trained network to ONNX, in fp32 or INT8, checked before the file is written."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, run_command
from lednet_mm.files import check_outputs, write_output
from lednet_mm.options import add_config, choice_of, positive

if TYPE_CHECKING:
    from lednet_mm.deployment.camera import CameraExport
    from lednet_mm.deployment.export import Export
    from lednet_mm.training.quantising import CalibrationImages, Trained


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/export.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      lednet_camvid.onnx --shape 360 480 --deployed\n"
        "  python tools/export.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      lednet_camvid_int8.onnx --shape 360 480 --int8\n\n"
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
    parser.add_argument(
        "--int8",
        action="store_true",
        help="export the deployment form with 8-bit weights and activations; the file is kept only if its "
        "accuracy on some images of val is close to that of fp32",
    )
    parser.add_argument(
        "--calibration",
        type=positive,
        metavar="N",
        help="number of images of the train split on which the ranges of INT8 are measured (default 64)",
    )
    parser.add_argument(
        "--max-loss",
        type=float,
        metavar="POINTS",
        help="largest mIoU that INT8 may lose on these images of val (default 1.0)",
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
    given = [f"--{name}" for name in ("calibration", "max_loss") if getattr(arguments, name) is not None]
    if given and not arguments.int8:
        raise InputError(f"{given[0].replace('_', '-')} belongs to --int8, which is not given")
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

    # isort: split
    from lednet_mm.config import load_config
    from lednet_mm.deployment.export import require_onnx
    from lednet_mm.environment import choose_threads
    from lednet_mm.training.quantising import read_trained

    require_onnx()
    choose_threads()
    config = load_config(choice, arguments.cfg_options)
    trained = read_trained(config, arguments.checkpoint)
    exported: Export | CameraExport
    if arguments.end_to_end:
        exported, differs = end_to_end(trained, arguments)
        content = exported.content
    else:
        exported, content = network_alone(trained, arguments, tuple(arguments.shape))
        compared = "its fp32 form differs" if arguments.int8 else "differs"
        differs = f"{compared} from PyTorch by {exported.error:.1e} of the logits' spread at NxHxW"
    out = Path(arguments.out)
    write_output(out, content, overwrite=arguments.overwrite)
    if not exported.dynamic:
        fixed = "x".join(map(str, exported.sizes[0]))
        print(f"fixed to {fixed} with {trained.channels} channels: another size gives {exported.obstacle}")
    sizes = " and ".join("x".join(map(str, size)) for size in exported.sizes)
    free = "any height and width" if arguments.end_to_end else "any batch size, height and width"
    accepts = free if exported.dynamic else "this size alone"
    print(f"{out}: {len(content) / 2**20:.1f} MiB, takes {accepts}; {differs} {sizes}")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")


def network_alone(
    trained: Trained, arguments: argparse.Namespace, shape: tuple[int, int]
) -> tuple[Export, bytes]:
    """Export a network without pre- and postprocessing, in fp32 or INT8.

    Args:
        trained: the network.
        arguments: the command line.
        shape: (height, width) at which the network is checked.

    Returns:
        The fp32 export, and the content of the file that the command line asks for.

    Raises:
        InputError: the network cannot be exported, or INT8 loses too much accuracy.
    """
    from lednet_mm.deployment.export import export_onnx
    from lednet_mm.training.quantising import IMAGES, calibration_images, check_compared

    deployed = arguments.deployed or arguments.int8
    images = None
    if arguments.int8:
        images = calibration_images(trained.config, arguments.calibration or IMAGES, trained.channels)
        check_compared(trained.config)
    exported = export_onnx(
        trained.normalised(trained.int8_form() if arguments.int8 else trained.form(deployed)),
        shape=shape,
        scale=255.0,
        metadata=trained.facts(deployed),
    )
    if images is None:
        return exported, exported.content
    return exported, quantised(trained, exported, images, arguments)


def quantised(
    trained: Trained, exported: Export, images: CalibrationImages, arguments: argparse.Namespace
) -> bytes:
    """Return the content of the INT8 file, and print its accuracy beside that of fp32.

    Raises:
        InputError: it loses too much accuracy, or cannot be made.
    """
    from lednet_mm.deployment.onnx_file import parse_onnx
    from lednet_mm.training.quantising import MAX_LOSS, compare_accuracy, export_int8

    file = export_int8(trained, exported, images, arguments.out)
    found = compare_accuracy(trained.config, parse_onnx(arguments.out, exported.content), file)
    where = f"on {found.images} images of {found.split}"
    result = f"mIoU {found.int8:.2f}% in INT8, {found.fp32:.2f}% in fp32 {where} (ONNX Runtime)"
    allowed = MAX_LOSS if arguments.max_loss is None else arguments.max_loss
    if not found.loss <= allowed:
        raise InputError(
            f"not written: {result}: a loss of {found.loss:.2f} points, and {allowed:g} are allowed "
            "(--max-loss); more images for --calibration may help"
        )
    print(f"calibrated on {len(images.names)} images of train; {result}")
    return file.content


def end_to_end(trained: Trained, arguments: argparse.Namespace) -> tuple[CameraExport, str]:
    """Export a network with its pre- and postprocessing, and say in words how it differs.

    Raises:
        InputError: the pipeline or the network cannot be exported, or the classes differ too much.
    """
    import torch
    from torch import nn

    from lednet_mm.deployment.camera import (
        CameraIds,
        FromCamera,
        built_around,
        describe_camera,
        export_camera,
        traced_whole,
    )
    from lednet_mm.deployment.file_runner import FileRunner
    from lednet_mm.deployment.onnx_file import parse_onnx
    from lednet_mm.evaluation.prediction import DeployedPredictor, Predictor, ScorePredictor

    config, channels, shape = trained.config, trained.channels, tuple(arguments.shape)
    cpu = torch.device("cpu")
    form = nn.Identity() if arguments.int8 else trained.form(arguments.deployed)
    camera = FromCamera(form, config, channels, trained.align_corners)
    predictor: ScorePredictor
    if arguments.int8:
        _, content = network_alone(trained, arguments, camera.network_size(*shape))
        file = parse_onnx(arguments.out, content)
        predictor = DeployedPredictor(config, FileRunner(file, "onnxruntime", torch.get_num_threads(), cpu))
        make, facts = built_around(content, CameraIds(camera, predictor.threshold)), dict(file.facts)
    else:
        predictor = Predictor(config, arguments.checkpoint, cpu)
        make = traced_whole(CameraIds(camera, predictor.threshold))
        facts = trained.facts(arguments.deployed)
    exported = export_camera(
        make,
        shape=shape,
        channels=channels,
        expected=lambda image: predictor.predict_loaded(predictor.frame(image, "the generated image")).ids,
        metadata={**facts, **describe_camera(camera, channels)},
    )
    what = "the INT8 network by tools/predict.py" if arguments.int8 else "tools/predict.py"
    return exported, f"differs from {what} in {exported.differing:.4%} of the pixels at HxW"


if __name__ == "__main__":
    run_command(main)
