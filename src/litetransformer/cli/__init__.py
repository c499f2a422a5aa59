"""The command ``lite``: one function for each verb. Nothing here imports torch before it is needed."""

from litetransformer.cli.app import main

__all__ = ["main"]
