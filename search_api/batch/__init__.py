"""Many searches at once: a folder or table of pictures → one table, or one report each.

::

    background  a server's thread, which runs the batches that were sent
    kept        those batches: what was sent, how far each is, its results
    uploads     what was sent, as a source
    running     the run: reads pictures, searches, notes what is done
    journal     what is done, on disk: a run that was killed goes on there
    naming      what a picture and its report are called, wherever they stand
    tables      CSV, XLSX and JSON Lines of all results

`search_api.cli` imports `running`; the room imports `search_api.report` and `search_api.marklens`.
"""
