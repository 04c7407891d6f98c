"""Write any config as one complete file, which MMSegmentation's own tools accept too."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.files import check_outputs, write_output
from lednet_mm.options import add_config, choice_of
from lednet_mm.text import one_line


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/print_config.py dabnet --dataset camvid\n"
        "  python tools/print_config.py lednet --dataset camvid --variant no_apn --out lednet_no_apn.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.py", help="file to write instead of printing the config"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --out if it exists")
    return parser


def main() -> None:
    """Print or write the config that the command line names."""
    arguments = build_parser().parse_args()

    from lednet_mm.config import config_text, files_of, load_config

    choice = choice_of(arguments)
    if arguments.out is not None:
        check_outputs([arguments.out], files_of(choice), overwrite=arguments.overwrite)
    text = config_text(load_config(choice, arguments.cfg_options, imports=False))
    if arguments.out is None:
        print(text, end="")
    else:
        write_output(arguments.out, text.encode(), overwrite=arguments.overwrite)
        print(one_line(arguments.out))


if __name__ == "__main__":
    run_command(main)
