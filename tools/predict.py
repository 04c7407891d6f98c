"""Predict images, a video or a camera, as pictures or as a video.

Pictures show class colours, an overlay on the image, ids, or how certain the network is of each pixel.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.deployment.file_runner import FILE_ENGINES
from lednet_mm.errors import InputError, run_command
from lednet_mm.files import check_outputs
from lednet_mm.options import add_config, add_tiles, choice_of, positive, tiles_of
from lednet_mm.text import one_line

if TYPE_CHECKING:
    import numpy as np

    from lednet_mm.evaluation.prediction import ImagePredictor, Prediction
    from lednet_mm.evaluation.stream import Sink, Source

EXAMPLES = """examples:
  python tools/predict.py configs/lednet_camvid.py work_dirs/lednet_camvid/iter_10000.pth \\
      data/camvid/test --out predictions --as overlay
  python tools/predict.py configs/lednet_camvid.py lednet_camvid.onnx drive.mp4 --out overlay.mp4 \\
      --engine openvino --show-fps

If OUT ends in .mp4, .m4v, .mov, .mkv or .avi, one video is written, otherwise a folder of pictures.
A folder of images as a video shows them in the order of their names. Ctrl-C ends a camera.
"""

FORMS = ("color", "overlay", "ids", "confidence", "entropy")


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config(parser)
    parser.add_argument(
        "checkpoint",
        metavar="CKPT_OR_ONNX",
        help="the weights of the network, or the file that tools/export.py made of it (*.onnx)",
    )
    parser.add_argument("source", metavar="SOURCE", help="an image, a folder of images, a video, or camera:N")
    parser.add_argument("--out", required=True, type=Path, help="folder for the pictures, or name of a video")
    parser.add_argument(
        "--as",
        dest="form",
        choices=FORMS,
        default="overlay",
        help="what the pictures show (default overlay); ids are the dataset's own where it has some; "
        "confidence is the highest softmax probability, entropy is divided by that of equal probabilities",
    )
    parser.add_argument("--legend", action="store_true", help="put the classes' colours under each picture")
    parser.add_argument(
        "--engine", choices=FILE_ENGINES, help="engine that runs an ONNX file (default onnxruntime)"
    )
    add_tiles(parser)
    parser.add_argument(
        "--fps", type=positive, help="frames per second of the video (default those of the source, or 25)"
    )
    parser.add_argument("--show-fps", action="store_true", help="write the speed into each frame of a video")
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)"
    )
    return parser.parse_args()


def draw(prediction: Prediction, predictor: ImagePredictor, form: str, legend: bool) -> np.ndarray:
    """Return the picture that shows a prediction in the given form: RGB, or the ids."""
    from lednet_mm.evaluation import rendering

    if form == "ids":
        return rendering.ids_picture(prediction.ids, predictor.own_ids)
    if prediction.certainty is not None:
        picture = rendering.heat(prediction.certainty)
        return rendering.with_scale(picture, form) if legend else picture
    if form == "overlay":
        picture = rendering.overlay(prediction.image, prediction.ids, predictor.palette)
    else:
        picture = rendering.colorize(prediction.ids, predictor.palette)
    return rendering.with_legend(picture, predictor.classes, predictor.palette) if legend else picture


def build_predictor(arguments: argparse.Namespace, config: Any) -> ImagePredictor:
    """Return what predicts: a checkpoint in PyTorch, or an exported file on an engine.

    Raises:
        InputError: the options do not fit the file, or the file does not fit the config.
    """
    from lednet_mm.deployment.file_runner import FileRunner
    from lednet_mm.deployment.onnx_file import read_onnx
    from lednet_mm.environment import choose_threads, resolve_device
    from lednet_mm.evaluation.prediction import DeployedPredictor, EndToEndPredictor, Predictor

    threads = choose_threads()
    device = resolve_device(arguments.device)
    tiles = tiles_of(arguments)
    measure = arguments.form if arguments.form in ("confidence", "entropy") else None
    if Path(arguments.checkpoint).suffix.lower() != ".onnx":
        if arguments.engine:
            raise InputError(
                f"--engine {arguments.engine} runs ONNX files: export {arguments.checkpoint} first "
                "(tools/export.py)"
            )
        return Predictor(config, arguments.checkpoint, device, tiles=tiles, measure=measure)
    file = read_onnx(arguments.checkpoint)
    file.require_fitting(config)
    if tiles or measure:
        file.require_logits()
    runner = FileRunner(file, arguments.engine or "onnxruntime", threads.count, device)
    if file.takes_bytes:
        return EndToEndPredictor(config, runner)
    return DeployedPredictor(config, runner, tiles=tiles, measure=measure)


def plan(arguments: argparse.Namespace, inputs: list[Path]) -> tuple[Source, Sink]:
    """Open the source, and check that the pictures or the video can be written.

    Args:
        arguments: the command line.
        inputs: files that must not be replaced.

    Raises:
        InputError: the source is missing or unreadable, or the output cannot be written.
    """
    from lednet_mm.datasets.file_kinds import IMAGE_ENDINGS
    from lednet_mm.evaluation.prediction import find_images, plan_pictures
    from lednet_mm.evaluation.stream import Frames, ImageFiles, PictureFiles, frame_file, in_order
    from lednet_mm.evaluation.video import CODECS, VideoReader, VideoWriter, is_camera, require_codec

    named, out, path = arguments.source, arguments.out, Path(arguments.source)
    of_frames = is_camera(named) or (path.is_file() and path.suffix.lower() not in IMAGE_ENDINGS)
    as_video = out.suffix.lower() in CODECS or (of_frames and bool(out.suffix) and not out.is_dir())
    if as_video and arguments.form == "ids":
        raise InputError(f"--out {out}: a video's compression changes ids: give a folder for pictures")
    if not as_video and (arguments.show_fps or arguments.fps):
        option = "--show-fps" if arguments.show_fps else "--fps"
        raise InputError(
            f"{option} belongs to a video, and --out {out} is a folder of pictures: leave it out"
        )
    if as_video:
        require_codec(out)
    source: Source
    targets = None
    if of_frames:
        source = Frames(named, VideoReader(named))
        inputs = inputs if source.live else [*inputs, path]
        planned = [out] if as_video else [frame_file(out, i + 1) for i in range(source.count or 1)]
    else:
        if path.is_dir() and out.is_dir() and path.samefile(out):
            raise InputError(
                f"--out {out} is the folder of the images: choose another place for the pictures"
            )
        images, others = find_images(path, leave_out=[] if as_video else [out])
        images = in_order(images) if as_video else images
        source = ImageFiles(images)
        targets = plan_pictures(images, path if path.is_dir() else path.parent, out)
        planned = [out] if as_video else targets
        inputs = [*inputs, *images, *(other for other in others if not as_video or other != out)]
        if others:
            counts = Counter(other.suffix or "without an ending" for other in others)
            left = ", ".join(f"{count} {ending}" for ending, count in counts.items())
            print(f"files left out, which are not images: {one_line(left)}", file=sys.stderr)
    check_outputs(planned, inputs, overwrite=arguments.overwrite)
    if as_video:
        return source, VideoWriter(out, arguments.fps or source.rate, live=source.live)
    return source, PictureFiles(targets, out, arguments.overwrite)


def main() -> int:
    """Plan all pictures, then predict and write them; return 1 if an image could not be predicted."""
    arguments = parse_args()
    tiles_of(arguments)  # what is wrong with them is said at once

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.config import load_config
    from lednet_mm.evaluation.rendering import with_rate
    from lednet_mm.evaluation.stream import Frames, Progress, StageClock, predict_stream
    from lednet_mm.evaluation.video import VideoWriter

    config = load_config(choice_of(arguments), arguments.cfg_options)
    source, sink = plan(arguments, [Path(arguments.checkpoint)])
    predictor = build_predictor(arguments, config)
    clock, progress = StageClock(), Progress()

    def picture_of(prediction: Prediction) -> np.ndarray:
        picture = draw(prediction, predictor, arguments.form, arguments.legend)
        return with_rate(picture, clock.recent_rate()) if arguments.show_fps and clock.rounds else picture

    finished = False
    try:
        predict_stream(source, predictor, picture_of, sink, clock, progress)
        finished = True
    finally:
        unread = f"; {len(progress.failed)} could not be" if progress.failed else ""
        of = "" if source.count is None else f" of {source.count}"
        what = "frames" if isinstance(source, Frames) else "images"
        where = f"the pictures are in {one_line(arguments.out)}"
        if isinstance(sink, VideoWriter):
            kept = finished and progress.written
            where = f"the video is {one_line(arguments.out)}" if kept else "there is no video"
        print(f"{progress.written}{of} {what} predicted{unread}; {where}", flush=True)
        if progress.written:
            print(clock.summary(), flush=True)
        for remark in remarks(source, sink, predictor) if finished else ():
            print(remark, file=sys.stderr)
        for line in progress.failed:
            print(f"error: {one_line(line)}", file=sys.stderr)
    if not progress.written and not progress.failed:
        raise InputError(f"{arguments.source}: not one frame could be read")
    broken = isinstance(source, Frames) and source.reader.broken
    return 1 if progress.failed or broken else 0


def remarks(source: Source, sink: Sink, predictor: ImagePredictor) -> list[str]:
    """Return what a user should know about the images and the pictures, one line each."""
    from lednet_mm.evaluation.prediction import Predictor
    from lednet_mm.evaluation.stream import Frames
    from lednet_mm.evaluation.video import VideoWriter

    found = []
    if isinstance(predictor, Predictor) and predictor.multiple > 1:
        found.append(
            f"images whose sides are not multiples of {predictor.multiple}, which this network needs, were "
            "padded for it and their predictions cropped"
        )
    if isinstance(sink, VideoWriter) and sink.scaled:
        height, width = sink.size or (0, 0)
        found.append(f"{sink.scaled} pictures of another size were resized to {width}x{height}")
    if isinstance(source, Frames):
        if source.reader.broken:
            found.append(
                f"{source.name}: {source.reader.broken} frames could not be decoded and are left out"
            )
        if source.count and source.reader.read < source.count:
            found.append(
                f"{source.name} states {source.count} frames, of which {source.reader.read} could be read"
            )
    return found


if __name__ == "__main__":
    run_command(main)
