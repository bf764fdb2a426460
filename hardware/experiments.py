#!/usr/bin/env python3
"""Measures what a CUDA driver really does about primary contexts; see experiments/README.md."""

import sys

sys.dont_write_bytecode = True  # leaves the source tree as it is

from experiments.runner import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
