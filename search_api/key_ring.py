"""The keys in force, by the hashes of their secrets; a thread reads them again and again."""

import hmac
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from math import inf
from threading import Event, Lock
from time import monotonic

from indexer.register.keys import Key, Keys
from models.errors import MarkLensError
from search_api.beside import beside

logger = logging.getLogger(__name__)
_PREFIX = "mlk_"  # by which scanners for leaked secrets can know them
_NOTE_EVERY_S = 60.0


def new_secret() -> str:
    """A secret that nobody guesses: 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return sha256(secret.encode()).hexdigest()


class KeyRing:
    """The keys of a register as a server uses them; safe to share by threads."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: tuple[Key, ...] = ()
        self._used: dict[str, datetime] = {}
        self._noted = -inf  # by the clock that nobody sets
        self._lock = Lock()

    @property
    def is_empty(self) -> bool:
        """Whether no key is accepted now."""
        now = datetime.now(UTC)
        return not any(key.is_live(now) for key in self._known)

    def find(self, secret: str) -> Key | None:
        """The key with a secret, whose use is noted; None if there is none in force."""
        digest, now = digest_of(secret), datetime.now(UTC)
        for key in self._known:
            if hmac.compare_digest(key.digest, digest) and key.is_live(now):
                with self._lock:
                    self._used[key.name] = now
                return key
        return None

    def refresh(self) -> None:
        """Read the keys, and once a minute write which were used.

        Raises:
            DatabaseUnavailable: the register cannot be read or written; the keys known stay.
        """
        self._known = tuple(self._keys.all())
        if monotonic() - self._noted >= _NOTE_EVERY_S:
            self._note_use()

    @contextmanager
    def following(self, poll_s: float) -> Iterator[None]:
        """Refresh at once, then in the background while the block runs, and note uses at its end.

        Raises:
            DatabaseUnavailable: the keys cannot be read at the beginning.
        """
        self.refresh()
        with beside("keys", partial(self._follow, poll_s)):
            yield

    def _follow(self, poll_s: float, stopping: Event) -> None:
        fails = False
        while not stopping.wait(poll_s):
            try:
                self.refresh()
                fails = False
            except MarkLensError as error:
                if not fails:
                    logger.warning("keys are as last read, trying again: %s", error)
                fails = True
        try:
            self._note_use()
        except MarkLensError as error:
            logger.warning("the last use of keys was not noted: %s", error)

    def _note_use(self) -> None:
        with self._lock:
            used, self._used = self._used, {}
        self._noted = monotonic()
        if used:
            self._keys.note_use(used)
