"""MarkNet: how a picture is prepared, the VGG19 that looks at it, and the checkpoint that keeps it.

The modules that hold tensors (`backbone`, `pooling`, `colour`, `marknet`) need torch; the others do
not, so that a server runs without it. Encoder, runtimes and training import this room; it imports
`models.vienna` and `models.errors` alone.
"""
