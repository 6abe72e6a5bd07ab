"""The script `marklens`, and ``python -m search_api``: the command line."""

import sys


def main() -> None:
    """Run it; Ctrl-C while it is still being imported is no traceback."""
    try:
        from search_api.cli import main as run
    except KeyboardInterrupt:
        print("marklens: stopped", file=sys.stderr)  # noqa: T201 - the console is not there yet
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
