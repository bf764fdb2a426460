"""`python3 -m experiments`, in the folder hardware/."""

import sys

sys.dont_write_bytecode = True

from experiments.runner import main  # noqa: E402

sys.exit(main())
