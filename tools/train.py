"""Train a network, and write checkpoints, logs and records into the work folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.options import add_config, add_launcher, add_tracker, announce_rank, backend_of, choice_of


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/train.py configs/lednet_camvid.py\n"
        "  python tools/train.py configs/lednet_camvid.py --resume\n"
        "  python tools/train.py dabnet --dataset camvid\n"
        "  python tools/train.py lednet --dataset camvid --variant no_apn\n"
        "  python tools/train.py configs/lednet_camvid.py --pretrained lednet_cityscapes.pth\n"
        "  python tools/train.py configs/lednet_camvid.py --seed 1 --work-dir work_dirs/lednet_seed1 \\\n"
        "      --cfg-options train_cfg.max_iters=2000 train_dataloader.batch_size=4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument("--work-dir", help="folder for the results (default work_dirs/<name of the config>)")
    parser.add_argument("--resume", action="store_true", help="continue from the newest readable checkpoint")
    parser.add_argument(
        "--pretrained",
        metavar="CKPT",
        help="start with the weights that fit from a checkpoint of the network or of its encoder",
    )
    parser.add_argument("--seed", type=int, help="seed of everything random in the run (default 0)")
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: fp16 on a GPU, bf16 on a CPU that gains by it"
    )
    parser.add_argument("--compile", action="store_true", help="compile the training step with torch.compile")
    add_tracker(parser)
    add_launcher(parser)
    arguments = parser.parse_args()
    announce_rank(arguments)

    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.environment import process_number
    from lednet_mm.training.training import train

    choice = choice_of(arguments)
    records = train(
        choice,
        work_dir=arguments.work_dir or Path("work_dirs") / choice.name,
        resume=arguments.resume,
        pretrained=arguments.pretrained,
        seed=arguments.seed,
        amp=arguments.amp,
        compile_step=arguments.compile,
        tracker=backend_of(arguments),
        launcher=arguments.launcher,
        options=arguments.cfg_options,
    )
    if process_number(arguments.launcher) == 0 and records.is_dir():
        print(f"records are in {records}")


if __name__ == "__main__":
    run_command(main)
