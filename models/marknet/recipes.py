"""Recipes by which the shipped network was trained, and is trained further."""

from dataclasses import replace

from models.training.recipe import Recipe

HEADS = Recipe(  # convolutions frozen: pictures are cheap
    steps=2000,
    depth="heads",
    labelled=384,
    signs=160,
    concepts=200,
    heads_rate=2e-3,
    temperature=0.1,
    vienna_weight=0.35,
    proxy_weight=1.0,
    seed=1,
)
CONV5 = Recipe(  # small steps, as many as a CPU makes in an hour; memory gives them negatives
    steps=800,
    depth="conv5",
    labelled=72,
    signs=32,
    concepts=40,
    heads_rate=8e-4,
    features_rate=1e-4,
    temperature=0.08,
    remembered=25,
    vienna_weight=0.35,
    proxy_weight=1.0,
    seed=2,
)
FURTHER = replace(  # from a network that knows marks: smaller steps still, but more of them
    CONV5,
    steps=1000,
    labelled=64,  # and their parts
    signs=8,
    concepts=12,
    heads_rate=3e-4,  # at 1e-3 validation logos got worse within 100 steps
    dropout=0.4,
    vienna_weight=0.5,
    seed=3,
)
FURTHER_HEADS = replace(  # before that, on what conv5 is: a twentieth of the work a picture
    FURTHER,
    depth="heads",
    labelled=128,
    signs=0,  # the visual block hangs on conv5
    concepts=24,
)
WHOLE = replace(  # every layer, on a GPU: pictures enough in a step that each loss has its share
    FURTHER,
    depth="all",
    labelled=128,
    signs=48,
    concepts=48,
    heads_rate=5e-4,
)
