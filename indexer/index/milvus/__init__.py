"""Vectors on a Milvus server, for registers that no one machine holds: docs/scale.md.

The register stays the truth. A collection holds a copy of its vectors with what filters ask, which
is filled by the changes' sequence, and made anew where it is lost or of another network.
"""

from indexer.index.milvus.address import MilvusAddress
from indexer.index.milvus.follower import MilvusFollower
from indexer.index.milvus.view import Found, MilvusView, PassingMarks

__all__ = ["Found", "MilvusAddress", "MilvusFollower", "MilvusView", "PassingMarks"]
