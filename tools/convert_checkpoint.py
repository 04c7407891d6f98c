"""Convert an authors' checkpoint to this project's names, strictly and without executing code from it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.cards import network_cards
from lednet_mm.errors import run_command


def main() -> None:
    """Convert the checkpoint that the command line names, and print what was done."""
    known = sorted(vector for card in network_cards().values() for vector in card.vectors)
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"networks: {', '.join(known)}\n\n"
        "example:\n"
        "  python tools/convert_checkpoint.py espnet espnet_p_2_q_8_camvid.pth espnet_camvid.pth\n"
        "  python tools/test.py configs/espnet_camvid_author.py espnet_camvid.pth",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "network", metavar="NETWORK", help="the network of the checkpoint (see the list below)"
    )
    parser.add_argument("source", metavar="SRC", help="the authors' file")
    parser.add_argument("target", metavar="DST", help="the file to write")
    parser.add_argument(
        "--num-classes",
        type=int,
        metavar="N",
        help="number of classes (default: read from the tensors' shapes)",
    )
    parser.add_argument(
        "--keep-auxiliary",
        action="store_true",
        help="keep heads that only training uses (default: leave them out)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace DST if it exists")
    arguments = parser.parse_args()
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.checkpoints.convert import convert_checkpoint

    done = convert_checkpoint(
        arguments.network,
        arguments.source,
        arguments.target,
        num_classes=arguments.num_classes,
        keep_auxiliary=arguments.keep_auxiliary,
        overwrite=arguments.overwrite,
    )
    print(f"{arguments.target}: {done.network} with {done.num_classes} outputs, {done.tensors} tensors")
    for names, why in ((done.unused, "play no part in the network"), (done.auxiliary, "only serve training")):
        if names:
            print(
                f"left out: {len(names)} tensors that {why} ({names[0]}{', ...' if len(names) > 1 else ''})"
            )


if __name__ == "__main__":
    run_command(main)
