"""Pretrain LEDNet's encoder as a classifier of images, by its authors' schedule; tools/train.py takes it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.options import add_config_options, add_launcher, add_tracker, announce_rank, backend_of

CONFIG = Path(__file__).resolve().parents[1] / "configs/pretraining/lednet_imagenet.py"


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/pretrain.py data/imagenet\n"
        "  python tools/pretrain.py data/imagenet --resume\n"
        "  torchrun --nproc_per_node 4 tools/pretrain.py data/imagenet --launcher pytorch\n"
        "  python tools/train.py lednet --dataset cityscapes --recipe lednet_authors \\\n"
        "      --pretrained work_dirs/lednet_imagenet/iter_750600.pth",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", help="a folder with train/<class>/*.jpg and val/<class>/*.jpg")
    parser.add_argument("--work-dir", help="where results go (default work_dirs/lednet_imagenet)")
    parser.add_argument("--resume", action="store_true", help="continue from the newest readable checkpoint")
    parser.add_argument("--seed", type=int, help="seed of everything random in the run (default 0)")
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: fp16 on a GPU, bf16 on a CPU that gains by it"
    )
    add_config_options(parser)
    add_tracker(parser)
    add_launcher(parser)
    arguments = parser.parse_args()
    announce_rank(arguments)

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.datasets.image_folder import class_names
    from lednet_mm.environment import process_number
    from lednet_mm.text import for_file_name
    from lednet_mm.training.training import train

    folder = Path(arguments.folder)
    options = {
        "model.num_classes": len(class_names(folder)),
        "dataset": for_file_name(folder.resolve().name),
        "train_dataloader.dataset.data_root": str(folder),
        "val_dataloader.dataset.data_root": str(folder),
        **(arguments.cfg_options or {}),
    }
    records = train(
        CONFIG,
        work_dir=arguments.work_dir or Path("work_dirs") / CONFIG.stem,
        resume=arguments.resume,
        seed=arguments.seed,
        amp=arguments.amp,
        tracker=backend_of(arguments),
        launcher=arguments.launcher,
        options=options,
    )
    if process_number(arguments.launcher) == 0:
        print(f"records are in {records}")


if __name__ == "__main__":
    run_command(main)
