"""Watches: named lists of signs; every new mark is compared with them as a search compares.

::

    watching    lists made and removed; new marks compared; webhooks told
    asked       what is asked of a watch that is made or changed
    background  the same in a server, as marks come
    feed        what came near, as Atom
    webhook     one request to an address that must not lead into the own network

`search_api.cli` and `search_api.http` import this room; it imports `search_api.marklens`.
"""
