"""The endpoints of HTTP, a file a noun."""
