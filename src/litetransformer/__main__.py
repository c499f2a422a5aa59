"""``python -m litetransformer`` is the command ``lite``."""

from litetransformer.cli import main

# Worker processes import this module anew, under another name.
if __name__ == "__main__":
    raise SystemExit(main())
