"""The version of MarkLens that is installed."""

from importlib.metadata import PackageNotFoundError, version


def marklens_version() -> str:
    """The installed package's version; ``0`` where it is not installed."""
    try:
        return version("marklens")
    except PackageNotFoundError:
        return "0"
