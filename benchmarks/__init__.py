"""One file a claim; each prints the table that the README shows."""
