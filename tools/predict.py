"""Predict images: class colours, an overlay on the image, or Cityscapes' labelIds for its test server."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, run_command
from lednet_mm.files import check_outputs, write_atomically
from lednet_mm.options import add_config, choice_of
from lednet_mm.terminal import tracked
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from lednet_mm.evaluation.prediction import Prediction, Predictor

EXAMPLES = """example:
  python tools/predict.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\
      data/camvid/test --out predictions --as overlay
"""


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config(parser)
    parser.add_argument("checkpoint", help="the weights of the network")
    parser.add_argument("images", metavar="IMAGE_OR_DIR", type=Path, help="an image, or a folder of them")
    parser.add_argument("--out", required=True, type=Path, help="folder for the pictures")
    parser.add_argument(
        "--as",
        dest="form",
        choices=["color", "overlay", "ids"],
        default="overlay",
        help="what the pictures show (default overlay)",
    )
    parser.add_argument("--legend", action="store_true", help="put the classes' colours under each picture")
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)"
    )
    return parser.parse_args()


def picture_of(prediction: Prediction, predictor: Predictor, form: str, legend: bool) -> bytes:
    """Return the content of a PNG file that shows a prediction in the given form."""
    import cv2

    from lednet_mm.datasets.cityscapes import TO_LABEL_ID
    from lednet_mm.evaluation.rendering import colorize, overlay, with_legend

    if form == "ids":
        picture: Any = TO_LABEL_ID[prediction.ids]
    else:
        picture = colorize(prediction.ids, predictor.palette)
        if form == "overlay":
            picture = overlay(prediction.image, prediction.ids, predictor.palette)
        if legend:
            picture = with_legend(picture, predictor.classes, predictor.palette)
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", picture)[1].tobytes()


def main() -> int:
    """Plan all pictures, then predict and write them; return 1 if an image could not be predicted."""
    arguments = parse_args()

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import load_config
    from lednet_mm.datasets.cityscapes import Cityscapes
    from lednet_mm.environment import choose_threads, resolve_device
    from lednet_mm.evaluation.prediction import Predictor, find_images, plan_pictures

    choose_threads()
    choice = choice_of(arguments)
    config = load_config(choice, arguments.cfg_options)
    source, out = arguments.images, arguments.out
    if source.is_dir() and out.is_dir() and source.samefile(out):
        raise InputError(f"--out {out} is the folder of the images: choose another place for the pictures")
    images, others = find_images(source, leave_out=[out])
    targets = plan_pictures(images, source if source.is_dir() else source.parent, out)
    check_outputs(targets, [*images, *others, arguments.checkpoint], overwrite=arguments.overwrite)
    if others:
        counts = Counter(path.suffix or "without an ending" for path in others)
        left = ", ".join(f"{count} {ending}" for ending, count in counts.items())
        print(f"files left out, which are not images: {one_line(left)}", file=sys.stderr)

    predictor = Predictor(config, arguments.checkpoint, resolve_device(arguments.device))
    if arguments.form == "ids" and tuple(predictor.classes) != Cityscapes.METAINFO["classes"]:
        raise InputError(f"{choice}: labelIds exist for Cityscapes' classes only; use --as color")
    failed: list[str] = []
    written, multiple = 0, predictor.multiple
    try:
        for image, target in tracked(list(zip(images, targets, strict=True)), "predicting"):
            try:
                prediction = predictor.predict(image)
            except InputError as error:
                failed.append(str(error))
                continue
            if predictor.multiple != multiple:
                multiple = predictor.multiple
                print(
                    f"images whose sides are not multiples of {multiple}, which this network needs, are "
                    "padded for it and their predictions cropped",
                    file=sys.stderr,
                )
            picture = picture_of(prediction, predictor, arguments.form, arguments.legend)
            write_atomically(target, picture)
            written += 1
    finally:
        unread = f"; {len(failed)} could not be" if failed else ""
        print(
            f"{written} of {len(images)} images predicted{unread}; the pictures are in {one_line(out)}",
            flush=True,
        )
        for line in failed:
            print(f"error: {one_line(line)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    run_command(main)
