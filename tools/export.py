"""Export a trained network to ONNX, checked against PyTorch before the file is written."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, describe_error, run_command
from lednet_mm.files import check_outputs, write_output
from lednet_mm.options import add_config, choice_of


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/export.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      lednet_camvid.onnx --shape 360 480 --deployed\n\n"
        "The graph takes RGB images (N, 3, H, W), float32 in 0 to 255, normalises them itself, and gives\n"
        "logits (N, classes, H, W). A network of images with another number of channels takes those. The\n"
        "file's metadata say what the network, its classes and its input are, and where it comes from.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument("checkpoint", help="checkpoint with the weights of that network")
    parser.add_argument("out", metavar="OUT.onnx", help="the file to write")
    parser.add_argument(
        "--shape",
        nargs=2,
        type=int,
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
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.onnx if it exists")
    return parser


def main() -> None:
    """Export the network that the command line names, and print which input the file accepts."""
    arguments = build_parser().parse_args()
    height, width = arguments.shape
    if min(height, width) < 1:
        raise InputError(f"--shape {height} {width}: height and width are whole numbers above 0")
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
    exported = export_onnx(
        Normalised(network, config.model.get("data_preprocessor") or {}, channels),
        shape=(height, width),
        scale=255.0,
        metadata=describe(config, arguments.checkpoint, channels=channels, deployed=arguments.deployed),
    )
    out = Path(arguments.out)
    write_output(out, exported.content, overwrite=arguments.overwrite)
    if not exported.dynamic:
        print(f"fixed to 1x{channels}x{height}x{width}: another size gives {exported.obstacle}")
    sizes = " and ".join("x".join(map(str, size)) for size in exported.sizes)
    accepts = "any batch size, height and width" if exported.dynamic else "this size alone"
    print(
        f"{out}: {len(exported.content) / 2**20:.1f} MiB, takes {accepts}; "
        f"differs from PyTorch by {exported.error:.1e} of the logits' spread at NxHxW {sizes}"
    )
    print(f"sha256 {hashlib.sha256(exported.content).hexdigest()}")


if __name__ == "__main__":
    run_command(main)
