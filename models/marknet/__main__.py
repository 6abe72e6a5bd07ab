"""``python -m models.marknet``: train the shipped network further."""

from models.marknet.learn import main

main()
