"""`marklens mcp`: the register as tools of an assistant."""

import typer

from search_api.cli.console import opened


def mcp(context: typer.Context) -> None:
    """Serve the register to an assistant by the Model Context Protocol, on stdin and stdout.

    An assistant that is told to run this command can search by picture and by words, name Vienna
    codes and look at marks; it cannot write. It needs the extra mcp.
    """
    from models.errors import MissingPackage

    MissingPackage.check("mcp", "mcp", "marklens mcp")
    import anyio

    from search_api.mcp_server import serve

    with opened(context) as marklens:
        marklens.start_following()
        anyio.run(serve, marklens)


COMMANDS = (mcp,)
