"""Predict images: class colours, an overlay on the image, or Cityscapes' labelIds for its test server."""

from __future__ import annotations

import argparse
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.config import load_config
from lednet_mm.datasets.cityscapes import TO_LABEL_ID
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError, run_command
from lednet_mm.evaluation.prediction import Predictor, find_images
from lednet_mm.evaluation.rendering import colorize, overlay, with_legend


def main() -> None:
    """Parse the arguments, predict, write pictures."""
    import numpy as np
    from PIL import Image
    from rich.progress import track

    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/predict.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\\n"
        "      data/camvid/test --out predictions --as overlay",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="config file, see configs/")
    parser.add_argument("checkpoint", help="weights of that network")
    parser.add_argument("images", metavar="IMAGE_OR_DIR", help="an image, or a folder of them")
    parser.add_argument("--out", required=True, help="folder for the pictures")
    parser.add_argument(
        "--as", dest="form", choices=["color", "overlay", "ids"], default="overlay", help="what is written"
    )
    parser.add_argument("--legend", action="store_true", help="put the classes' colours under each picture")
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)"
    )
    arguments = parser.parse_args()

    choose_threads()
    config = load_config(arguments.config)
    predictor = Predictor(config, arguments.checkpoint, resolve_device(arguments.device))
    classes, palette = predictor.metainfo["classes"], predictor.metainfo["palette"]
    if arguments.form == "ids" and "categories" not in predictor.metainfo:
        raise InputError(f"{arguments.config}: labelIds exist for Cityscapes' classes only; use --as color")
    images, out = find_images(arguments.images), Path(arguments.out)
    root = images[0].parent if Path(arguments.images).is_file() else Path(arguments.images)
    for path in track(images, description="predicting"):
        ids = predictor(path)
        if arguments.form == "ids":
            picture = TO_LABEL_ID[ids]
        elif arguments.form == "color":
            picture = colorize(ids, palette)
        else:
            picture = overlay(np.asarray(Image.open(path).convert("RGB")), ids, palette)
        if arguments.legend and arguments.form != "ids":
            picture = with_legend(picture, classes, palette)
        target = out / path.relative_to(root).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(target)
    print(f"{len(images)} pictures in {out}")


if __name__ == "__main__":
    run_command(main)
