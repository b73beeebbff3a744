"""Options that several commands share; loads nothing."""

import argparse


def install_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-install",
        action="store_true",
        help="never install system packages (without Docker, netspec's own engine needs some of Debian's)",
    )
