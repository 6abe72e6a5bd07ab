"""What all middleware has in common."""

from starlette.types import ASGIApp, Receive, Scope, Send


class Around:
    """Something around every request; the server's start and end pass it by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or pass on what is none."""
        serve = self.serve if scope["type"] == "http" else self._app
        await serve(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        raise NotImplementedError
