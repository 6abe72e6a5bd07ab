"""The demo register that ships with MarkLens: real brand logos, invented bibliography.

It is a table and a folder of pictures, indexed like any other. `cli.serve` imports this room, which
imports nothing.
"""

from pathlib import Path


def demo_register() -> Path:
    """The folder with ``marks.csv``, ``images/``, ``NOTICE`` and ``README.md``."""
    return Path(__file__).with_name("register")
