"""The report of a search, as an attorney files it: PDF, XLSX or CSV.

::

    contents        what a report says: query, filters, weights, register state, marks, notes
    reported_marks  the marks of a report, and why one has no place
    drawing         pictures as a report shows them
    columns         the columns of a mark, for the two tables
    writing         a report → bytes of a format, or a file
    pdf, xlsx, csv_table      one format each
    lettering       which font has which letter; right_to_left: joins and orders letters

The same register state, query, notes and day give the same bytes. `search_api.cli` and
`search_api.http` import `contents` and `writing`; the room imports `search_api.marklens`.
"""
