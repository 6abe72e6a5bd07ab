"""Keeps spreadsheets from running what stands in a cell: words of marks come from anywhere."""

# What begins a formula in Excel or LibreOffice, in full width too; a tab or a line end before it is
# skipped by them.
_BEGINS = tuple("=+-@\t\r\n＝＋－＠")


def neutralised(text: str) -> str:
    """The text with an apostrophe before it where it would be a formula: it is shown as it is."""
    return f"'{text}" if text.startswith(_BEGINS) else text
