"""Export a trained network to ONNX, checked against PyTorch before the file is kept."""

from __future__ import annotations

import argparse
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.checkpoints.files import load_model
from lednet_mm.config import load_config
from lednet_mm.cost.complexity import Inference, build_network
from lednet_mm.cost.deploy import deploy
from lednet_mm.cost.export import Normalised, describe, export_onnx
from lednet_mm.environment import choose_threads
from lednet_mm.errors import InputError, run_command
from lednet_mm.options import add_config_options


def main() -> None:
    """Parse the arguments, export, say what the file accepts."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/export.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      lednet_camvid.onnx --shape 360 480 --deployed\n\n"
        "The graph takes RGB images (N, 3, H, W), float32 in 0 to 255, normalises them itself, and gives\n"
        "logits (N, classes, H, W). Its metadata name network, classes and origin.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="config file, see configs/")
    parser.add_argument("checkpoint", help="weights of that network")
    parser.add_argument("out", metavar="OUT.onnx", help="the file to write")
    parser.add_argument(
        "--shape",
        nargs=2,
        type=int,
        default=[512, 1024],
        metavar=("H", "W"),
        help="that it is checked at, and fixed to where the network allows no other (default 512 1024)",
    )
    parser.add_argument(
        "--deployed", action="store_true", help="normalisation folded into the convolutions, see benchmark.py"
    )
    add_config_options(parser)
    arguments = parser.parse_args()

    height, width = arguments.shape
    if min(height, width) < 1:
        raise InputError(f"--shape {height} {width}: height and width are whole numbers above 0")
    choose_threads()
    config = load_config(arguments.config, arguments.cfg_options)
    model = build_network(config)
    load_model(model, arguments.checkpoint, config)
    network = Inference(model)
    preprocessor = config.model.get("data_preprocessor") or {}
    exported = export_onnx(
        Normalised(deploy(network) if arguments.deployed else network, preprocessor),
        arguments.out,
        shape=(height, width),
        scale=255.0,
        metadata=describe(config, arguments.checkpoint, deployed=arguments.deployed),
    )
    if not exported.dynamic:
        print(f"fixed to 1x3x{height}x{width}: another size gives {exported.obstacle}")
    sizes = " and ".join("x".join(map(str, size)) for size in exported.sizes)
    accepts = "any batch size, height and width" if exported.dynamic else "this size alone"
    print(
        f"{arguments.out}: {Path(arguments.out).stat().st_size / 2**20:.1f} MiB, takes {accepts}; "
        f"differs from PyTorch by {exported.error:.1e} of the logits' spread at NxHxW {sizes}"
    )


if __name__ == "__main__":
    run_command(main)
