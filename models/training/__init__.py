"""Fine-tuning a network on labelled pictures: what `marklens train` does with a user's own labels.

The loop, the losses and the cache of lower layers serve `models.marknet`, too. Serving never
imports this room.
"""
