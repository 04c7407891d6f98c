"""Write the weights of a trained network as a small file for others: in half precision, without optimiser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.files import file_sha256


def main() -> None:
    """Write the file, and print its number of tensors, size and sha256."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n"
        "  python tools/publish_model.py work_dirs/lednet_camvid/iter_10000.pth lednet_camvid.pth\n"
        "  python tools/test.py configs/lednet_camvid.py lednet_camvid.pth",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="CKPT", help="a checkpoint of a training")
    parser.add_argument("target", metavar="OUT", help="the file to write")
    parser.add_argument("--full", action="store_true", help="keep single precision")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    arguments = parser.parse_args()
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.checkpoints.files import publish_checkpoint

    tensors = publish_checkpoint(
        arguments.source, arguments.target, half=not arguments.full, overwrite=arguments.overwrite
    )
    size = Path(arguments.target).stat().st_size / 1e6
    print(f"{arguments.target}: {tensors} tensors, {size:.2f} MB, sha256 {file_sha256(arguments.target)}")


if __name__ == "__main__":
    run_command(main)
