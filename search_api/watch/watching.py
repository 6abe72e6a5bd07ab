"""Watches of an open register: made, compared with what is new, and their webhooks told."""

import hashlib
import io
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from indexer.errors import BadQuery, BadWatch, DatabaseUnavailable
from indexer.index.follower import Follower
from indexer.index.segments import ReadView
from indexer.index.vectors import IndexChoice
from indexer.query import MAX_K, WORDS, Hit, SearchQuery
from indexer.register.watch_rows import NearMark, Watch, WatchedSign, WatchEvent
from indexer.search.searcher import Searcher
from indexer.texts import showable
from indexer.words.forms import Words
from indexer.words.likeness import match_words
from models.errors import MarkLensError
from search_api.marklens import MarkLens
from search_api.query_encoder import seen_codes
from search_api.request import WHOLE, KeptPicture, View, views_of
from search_api.schemas import image_path
from search_api.watch.asked import MAX_SIGNS, NewWatch, WatchChange, request_of
from search_api.watch.webhook import WebhookFailed, check_public, post

logger = logging.getLogger(__name__)

_CHUNK = MAX_K  # new marks compared at once: a search of them returns all
_FEW = 20  # hits asked for at first: most new marks are far from all signs
_PER_REQUEST = 100  # events that a webhook gets at once
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)


def _never() -> bool:
    return False


class Watching:
    """The watches of one open register."""

    def __init__(self, marklens: MarkLens) -> None:
        self._marklens = marklens
        self._watches = marklens.register.watches
        self._searching: tuple[Searcher, Follower] | None = None

    def add(self, new: NewWatch) -> Watch:
        """Make a watch; marks that are written from now on are compared with it.

        Raises:
            BadWatch: there is one of this name, a mark has no picture, or the webhook is private.
            UnknownMark, PictureGone, UnreadableImage, BadQuery: of what is to be watched.
        """
        self._refuse_private(new.webhook)
        searcher, _ = self._searcher()  # binds an empty register, and refuses another network's
        request = new.request()
        if WORDS in (request.weights or {}):
            raise BadQuery("a watch compares pictures: words are not weighed, but leave marks out")
        searcher.total_weight(request.weights)
        watch = Watch(
            name=new.name,
            threshold=new.threshold,
            asked=new.asked,
            webhook=new.webhook,
            feed_key=secrets.token_urlsafe(24),
            checked=self._marklens.register.sequence(),
            created=datetime.now(UTC),
            failures=0,
            next_try=None,
            last_error=None,
            signs=self._encoded_signs(new),
        )
        self._watches.add(watch)
        return self._watches.get(new.name)

    def change(self, name: str, change: WatchChange) -> Watch:
        """Change a watch. A sign that is watched already is not added again.

        Raises:
            UnknownWatch: there is none of this name.
            BadWatch: a sign to be removed is not there, none or too many would be left, a mark has
                no picture, or the webhook is private.
            UnknownMark, PictureGone, UnreadableImage, BadField: of the signs to be added.
        """
        self._refuse_private(change.webhook)
        watch = self._watches.get(name)
        removed = [sign for sign in watch.signs if sign.label in change.removed]
        if lost := set(change.removed) - {sign.label for sign in removed}:
            raise BadWatch(f"{name} does not watch {', '.join(sorted(lost))}")
        kept = [sign for sign in watch.signs if sign.label not in change.removed]
        left = {(sign.label, sign.image_digest) for sign in kept}
        if len(kept) + len(change.mark_ids) + len(change.pictures) > MAX_SIGNS:
            raise BadWatch(f"more than {MAX_SIGNS} signs cannot be watched")
        signs = self._encoded_signs(change)
        added = [one for one in signs if (one.label, one.image_digest) not in left]
        if not kept and not added:
            raise BadWatch(f"no sign would be left; remove the watch {name} instead")
        self._watches.change(name, change.values, added, removed)
        return self._watches.get(name)

    def check(self) -> int:
        """Compare the marks written since the last time with every watch, and tell the webhooks.

        Several processes may do so at once: each mark that comes near is noted once.

        Returns:
            How many came near.

        Raises:
            BadWatch: some watches cannot be compared; all others were.
        """
        try:
            return self.compare()
        finally:
            self.deliver()

    def compare(self, is_stopping: Callable[[], bool] = _never) -> int:
        """Compare the marks written since the last time with every watch; see `check`.

        Args:
            is_stopping: whether to go on another time.
        """
        failed: dict[str, Exception] = {}
        lists = []
        # Before the lists are read: a sign that is added meanwhile is of marks after that.
        now = self._marklens.register.sequence()
        for watch in self._watches.all():
            with _by_itself(watch, failed):
                lists.append(self._with_network(watch))
        found = 0
        oldest = min((watch.checked for watch in lists), default=now)
        for view, last in self._new_marks(oldest, now):
            for watch in lists:
                if is_stopping():
                    return found
                if watch.checked < last and watch.name not in failed:
                    with _by_itself(watch, failed):
                        signs = watch.signs
                        near = [one for sign in signs for one in self._near(view, watch, sign)]
                        found += self._watches.note(watch.name, last, near, datetime.now(UTC))
        if failed:
            raise BadWatch("; ".join(f"watch {name}: {error}" for name, error in failed.items()))
        return found

    def deliver(self, is_stopping: Callable[[], bool] = _never) -> None:
        """Tell the webhooks what they have not been told; those not reached are tried later.

        Args:
            is_stopping: whether to go on another time.
        """
        for watch in self._watches.all():
            if is_stopping():
                return
            now = datetime.now(UTC)
            if watch.webhook is None or (watch.next_try is not None and watch.next_try > now):
                continue
            try:
                self._tell(watch, watch.webhook, is_stopping)
            except (BadWatch, WebhookFailed) as error:  # BadWatch: a version before took it
                wait = min(_FIRST_WAIT * 2 ** min(watch.failures, 16), _LONGEST_WAIT)
                logger.warning("watch %s: %s; again in %s", watch.name, error, wait)
                self._watches.failed(watch.name, watch.failures + 1, now + wait, str(error))

    def _tell(self, watch: Watch, webhook: str, is_stopping: Callable[[], bool]) -> None:
        """Send all that a webhook has not got.

        Raises:
            BadWatch, WebhookFailed: it is not reached; what it has got is noted.
        """
        private = self._marklens.settings.webhook_private
        while events := self._watches.events(watch.name, 0, _PER_REQUEST, undelivered=True):
            document = {"watch": watch.name, "events": [event_as_json(one) for one in events]}
            post(webhook, document, allow_private=private)
            self._watches.delivered(watch.name, [one.id for one in events])
            if is_stopping():
                return

    def _new_marks(self, after: int, upto: int) -> Iterator[tuple[ReadView, int]]:
        """The marks written after a change, as small views, each with its last sequence."""
        _, follower = self._searcher()
        while after < upto:
            changes = self._marklens.register.changes(after, _CHUNK, upto)
            after = changes[-1].sequence if len(changes) == _CHUNK else upto
            yield follower.view_of(changes, after), after

    def _near(self, view: ReadView, watch: Watch, sign: WatchedSign) -> Iterator[NearMark]:
        """The marks of a view that the watch has not compared and that score its threshold.

        Its words leave out all marks with other ones: they are compared here, as a list by words
        is of the likest of the register, to which a new mark need not belong.

        A view may hold others: all watches share it, from the one that is furthest behind.
        """
        searcher, _ = self._searcher()
        request = request_of(watch.asked)
        words = None if request.filter.text is None else Words.of(request.filter.text)
        hits: tuple[Hit, ...] = ()
        for k in (_FEW, MAX_K):
            query = SearchQuery(
                embedding=sign.embedding,
                k=k,
                filter=replace(request.filter, text=None),
                weights=request.weights,
                shown=sign.shown or {},
                exclude=frozenset() if sign.mark_id is None else frozenset({sign.mark_id}),
            )
            hits = searcher.search_view(view, query).hits
            if len(hits) < k or (hits[-1].score or 0.0) < watch.threshold:
                break
        for hit in hits:
            mark, score = hit.mark, hit.score or 0.0
            if words is not None and match_words(words, Words.of(mark.words)) is None:
                continue
            if score >= watch.threshold and mark.sequence > watch.checked:
                digest = mark.image_digest or ""
                yield NearMark(sign.id, hit.id, digest, mark.sequence, score)

    def _searcher(self) -> tuple[Searcher, Follower]:
        """A ranking over views of new marks: the index of the whole register is not loaded."""
        encoder, register = self._marklens.encoder, self._marklens.register
        if self._searching is None:
            register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
            choice = IndexChoice("cpu", "exact", MAX_K)
            network = (encoder.dimension, encoder.fingerprint)
            follower = Follower(register, None, *network, choice)
            self._searching = Searcher(register, follower, encoder.blocks), follower
        return self._searching

    def _with_network(self, watch: Watch) -> Watch:
        """A watch with embeddings, and codes, of the network in use.

        Where embeddings are another network's, the register was encoded again since, all of its
        marks: those count as compared.
        """
        encoder = self._marklens.encoder
        has_other = any(sign.fingerprint != encoder.fingerprint for sign in watch.signs)
        if not has_other and all(sign.shown is not None for sign in watch.signs):
            return watch
        signs = []
        for sign in watch.signs:
            content = self._marklens.images.get(sign.image_digest)
            anew = self._encoded(sign.label, content, sign.mark_id)
            signs.append(replace(anew, id=sign.id))
            self._watches.replace_embedding(signs[-1])
        if not has_other:
            return replace(watch, signs=tuple(signs))
        now = self._marklens.register.sequence()
        self._watches.note(watch.name, now, [], datetime.now(UTC))
        return replace(watch, signs=tuple(signs), checked=now)

    def _refuse_private(self, webhook: str | None) -> None:
        """Refuse a webhook that by itself says that it is private, unless such are allowed."""
        if webhook is not None and not self._marklens.settings.webhook_private:
            check_public(webhook)

    def _encoded_signs(self, new: NewWatch | WatchChange) -> tuple[WatchedSign, ...]:
        views = views_of(new.fields.view(), new.fields.further_views())
        return tuple(
            self._sign(label, picture, mark_id, view)
            for (label, picture, mark_id), view in zip(self._signs(new), views, strict=False)
        )

    def _signs(
        self, new: NewWatch | WatchChange
    ) -> Iterator[tuple[str, bytes | KeptPicture, str | None]]:
        """What is to be watched: label, picture, and the mark's id where it is one."""
        for mark_id in dict.fromkeys(new.mark_ids):
            if self._marklens.mark(mark_id).image_digest is None:
                raise BadWatch(f"the mark {mark_id!r} has no picture to watch")
            yield mark_id, self._marklens.image(mark_id), mark_id
        for name, picture in new.pictures:
            yield showable(Path(name).name), picture, None

    def _sign(
        self, label: str, picture: bytes | KeptPicture, mark_id: str | None, view: View
    ) -> WatchedSign:
        """A sign of what is looked at of a picture, which is kept as a picture of its own."""
        kept = self._marklens.queries.kept
        content = kept.content(picture.handle) if isinstance(picture, KeptPicture) else picture
        if view != WHOLE:
            part = io.BytesIO()
            self._marklens.draw(content, view).save(part, "PNG")
            content = part.getvalue()
        sign = self._encoded(label, content, mark_id)
        self._marklens.images.put(content)
        return sign

    def _encoded(self, label: str, content: bytes, mark_id: str | None) -> WatchedSign:
        encoder = self._marklens.encoder
        admission = self._marklens.queries.admission
        patience = admission.patience()
        picture = encoder.prepare(admission.decode(content, label, 1, patience))
        encoded = admission.encoding.encode(encoder, picture, patience)
        digest = hashlib.sha256(content).hexdigest()
        mark = self._marklens.register.marks([mark_id] if mark_id else []).get(mark_id or "")
        # A part of a mark, or a picture that it had before, need not show what it was assigned.
        assigned = mark.record.vienna if mark and mark.image_digest == digest else ()
        shown = seen_codes(encoder, encoded.probabilities[0]).certainty(assigned)
        network, embedding = encoder.fingerprint, encoded.embeddings[0]
        return WatchedSign(0, label, mark_id, digest, network, embedding, shown)


@contextmanager
def _by_itself(watch: Watch, failed: dict[str, Exception]) -> Iterator[None]:
    """Note that a watch cannot be compared: it keeps no other from it, as a lost database does."""
    try:
        yield
    except DatabaseUnavailable:
        raise
    except (MarkLensError, ValueError) as error:  # ValueError: fields of another version
        failed[watch.name] = error


def event_as_json(event: WatchEvent) -> dict[str, Any]:
    """What a webhook is told of an event."""
    return {
        "id": event.id,
        "sign": event.sign,
        "mark": event.mark_id,
        "image": image_path(event.mark_id),
        "score": event.score,
        "found": event.found.isoformat(),
        "read": event.is_read,
    }
