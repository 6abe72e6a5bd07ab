"""The HTTP interface: routes, form fields, errors and metrics.

`search_api.app` puts its routes and the web pages together; the web pages import this room.
"""
