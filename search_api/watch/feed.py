"""What came near a watch as an Atom feed (RFC 4287)."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from indexer.register.watch_rows import Watch, WatchEvent

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"


def atom_feed(watch: Watch, events: Sequence[WatchEvent], register_id: str, address: str) -> bytes:
    """Write a feed.

    Args:
        watch: whose feed it is.
        events: the newest first.
        register_id: names the register, so that ids of entries are the same for ever.
        address: of the server, such as https://example.org.
    """
    Xml.register_namespace("", _ATOM)
    feed = Xml.Element(f"{{{_ATOM}}}feed")
    name = f"urn:marklens:{register_id}:watch:{quote(watch.name, safe='')}"
    newest = max((one.found for one in events), default=watch.created)
    _add(feed, "id", name)
    _add(feed, "title", f"Watch {watch.name}")
    _add(feed, "updated", _moment(newest))
    _add(_add(feed, "author"), "name", "MarkLens")
    path = f"/api/v1/watches/{quote(watch.name, safe='')}/feed?key={watch.feed_key}"
    _add(feed, "link", rel="self", href=address + path)
    for one in events:
        entry = _add(feed, "entry")
        _add(entry, "id", f"{name}:{one.id}")
        _add(entry, "title", f"{one.mark_id} came near {one.sign}: {one.score:.3f}")
        _add(entry, "updated", _moment(one.found))
        if not one.is_read:
            _add(entry, "category", term="new")
        _add(entry, "link", rel="alternate", href=f"{address}/marks/{quote(one.mark_id, safe='')}")
        summary = f"The mark {one.mark_id} scores {one.score:.3f} against {one.sign}; the watch "
        _add(entry, "summary", f"{summary}reports from {watch.threshold:g}.")
    return bytes(Xml.tostring(feed, "utf-8", xml_declaration=True))


def _add(parent: Xml.Element, tag: str, text: str | None = None, **attributes: str) -> Xml.Element:
    child = Xml.SubElement(parent, f"{{{_ATOM}}}{tag}", attributes)
    child.text = text
    return child


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
