"""HTTP: the routes, their forms, errors as RFC 9457 problem details, limits and metrics.

A route reads a form into a value, asks `search_api.marklens`, and answers with one of
`search_api.schemas`. `search_api.app` puts it together with the web pages, which import this room.
"""
