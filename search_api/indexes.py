"""Which index a register has: one in this process' memory, or one on a Milvus server."""

from indexer.index.follower import Follower
from indexer.index.following import RegisterIndex
from indexer.index.milvus import MilvusAddress, MilvusFollower
from indexer.index.vectors import IndexChoice
from indexer.register import Register
from search_api.settings import Settings


def open_index(
    settings: Settings, register: Register, fingerprint: str, dimension: int
) -> RegisterIndex:
    """The index that the settings name; its first `refresh` loads it.

    Args:
        settings: which, and where.
        register: what it follows.
        fingerprint: of the network that made the register's embeddings.
        dimension: of a vector.

    Raises:
        MissingPackage: FAISS or pymilvus is not installed.
    """
    if settings.milvus is not None:
        return MilvusFollower(register, settings.milvus, dimension, fingerprint)
    choice = IndexChoice(settings.device, settings.index_kind, settings.index_exact_marks)
    return Follower(register, settings.snapshot_dir, dimension, fingerprint, choice)


def server_position(address: MilvusAddress, register: Register) -> tuple[str, int | None]:
    """What a Milvus server is called, and up to which change it holds the register.

    Nothing is made or written there. None where it does not hold this register.

    Raises:
        IndexUnavailable: it does not answer.
        MissingPackage: pymilvus is not installed.
    """
    bound = register.bound()
    fingerprint, dimension = bound or ("", 0)
    follower = MilvusFollower(register, address, dimension, fingerprint)
    try:
        return follower.index_name, None if bound is None else follower.position()
    finally:
        follower.stop()
