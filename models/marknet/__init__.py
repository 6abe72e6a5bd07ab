"""How the shipped network was made: which pictures it learns from, the recipe, and its scores.

``python -m models.marknet`` runs it. It needs the research data, is not part of the wheel, and
nothing imports it.
"""
