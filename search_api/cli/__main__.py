"""``python -m search_api.cli``: the command line without its installed script."""

from search_api.cli import main

main()
