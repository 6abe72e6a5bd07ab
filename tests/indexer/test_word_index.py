"""Marks found by words that are spelt or sound alike, and lists by pages, on both databases."""

import itertools
from collections.abc import Callable
from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.marks import EncodedMark, MarkRecord
from indexer.pages import ORDERS, WORDS_ORDER, Listed, Page, Place
from indexer.query import MAX_WORDS, Filter
from indexer.register import Register
from indexer.register.database import create_engine, parse_url
from indexer.register.moment import open_moment
from indexer.words.forms import Words, fold
from indexer.words.likeness import match_words
from models.vienna import ViennaCode

Mark = Callable[..., EncodedMark]  # the fixture `mark`
BY_WORDS = Page(20, order=WORDS_ORDER)
LION = ViennaCode.parse("03.01.01")


def written(register: Register, texts: dict[str, str | None], **fields: object) -> None:
    register.add(
        [
            EncodedMark(MarkRecord(mark_id, text=text, **fields), text or "")  # type: ignore[arg-type]
            for mark_id, text in texts.items()
        ]
    )


def found(register: Register, text: str, **others: object) -> list[str]:
    listed, total = register.find_words(Filter(text=text, **others), BY_WORDS)  # type: ignore[arg-type]
    assert total >= len(listed)
    scores = [one.words.score for one in listed if one.words]
    assert scores == sorted(scores, reverse=True)
    return [one.mark.record.id for one in listed]


def test_marks_are_found_by_words_spelt_or_pronounced_alike(register: Register) -> None:
    texts = {
        "google": "Google",
        "maps": "GOOGLE MAPS",
        "cafe": "Café",
        "muller": "MÜLLER",
        "torvo": "ＴＯＲＶＯ",
        "bull": "Red Bull",
        "yandex": "Яндекс",
        "kao": "花王石鹸",
        "play": "PlayStation",
        "none": None,
    }
    written(register, texts)
    assert found(register, "gogle") == ["google", "maps"]
    assert found(register, "cafe") == found(register, "KAFE") == ["cafe"]
    assert found(register, "muller") == found(register, "Mueller") == ["muller"]
    assert found(register, "torvo") == ["torvo"]
    assert found(register, "redbull") == found(register, "red-bull") == ["bull"]
    assert found(register, "redbul") == ["bull"]
    assert found(register, "yandex") == ["yandex"]
    assert found(register, "花王") == ["kao"]
    assert found(register, "polystation") == ["play"]
    assert found(register, "oogl") == ["google", "maps"]
    assert found(register, "goo") == ["google", "maps"]
    assert found(register, "mercedes") == found(register, "?!") == []


def test_words_whose_keys_an_earlier_version_wrote_are_found(
    register: Register, register_url: str
) -> None:
    written(register, {"google": "Google", "goggle": "Goggle", "maps": "Maps"})
    engine = create_engine(parse_url(register_url))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE term_keys SET word = NULL"))
    engine.dispose()
    written(register, {"gogol": "Gogol"})
    assert set(found(register, "gogle")) == {"google", "goggle", "gogol"}
    with open_moment(register_url) as moment:
        assert list(moment.faults_beside(None)) == []


def test_what_holds_all_words_comes_before_what_holds_some(register: Register) -> None:
    written(register, {"both": "The Lyon King", "one": "Lion", "other": "King", "no": "Queen"})
    assert found(register, "lion king")[0] == "both"
    assert "no" not in found(register, "lion king")


def test_common_words_do_not_hide_the_marks_that_have_both(register: Register) -> None:
    written(register, {f"a{at}": f"Lion x{at}" for at in range(400)})
    written(register, {f"b{at}": f"King y{at}" for at in range(400)})
    written(register, {"both": "The Story of a Lion and a King"})
    assert found(register, "lion king")[0] == "both"


def test_a_word_with_many_near_spellings_does_not_hide_the_mark_that_has_another_too(
    register: Register,
) -> None:
    word = "international"
    near = [f"{word[:at]}{letter}{word[at + 1 :]}" for at in range(2, 12) for letter in "qxz"]
    longer = [word + "".join(two) * 9 for two in itertools.islice(itertools.permutations("abe"), 6)]
    texts = [f"{one} xy{letter}" for one in [*near, *longer] for letter in "abcdef"]
    texts += [f"rex {at:03}abcdefgh" for at in range(145)]  # fewer than are read of a word
    texts += [f"{word}rex{letter}" for letter in "abcdefghij"]
    written(register, {f"m{at}": text for at, text in enumerate(texts)})
    written(register, {"both": "internaqional rex holding company limited"})
    assert "both" in found(register, f"{word} rex")


def test_words_follow_every_writing(register: Register, mark: Mark) -> None:
    written(register, {"a": "Bulldog", "b": "Bulldog", "c": "Bulldog"})
    written(register, {"a": "Google", "b": None})
    register.delete(["c"])
    assert found(register, "bulldog") == []
    assert found(register, "gogle") == ["a"]
    written(register, {"c": "Buldog"})
    register.add([mark("a", 1, text="Google"), mark("a", 2, text="Goggle")])
    assert found(register, "bulldog") == ["c"]
    assert found(register, "google") == ["a"]


def test_other_filters_hold_too(register: Register, mark: Mark) -> None:
    register.add(
        [mark(f"m{at}", at, text="Google", owner=f"Owner {at}", vienna=()) for at in range(300)]
    )
    register.add([mark("lion", 1, text="Google", vienna=(LION,), owner="Alphabet Inc.")])
    assert found(register, "gogle", vienna_any=(LION,), vienna_source="assigned") == ["lion"]
    assert found(register, "gogle", owner="ALPHABET") == ["lion"]
    assert found(register, "gogle", number="m250") == ["m250"]
    assert found(register, "oogl", owner="alphabet") == ["lion"]
    assert found(register, "yahoo", owner="alphabet") == []


WORDS = st.text(st.sampled_from("abeiklnorst"), min_size=3, max_size=7)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=12),
    asked=st.lists(WORDS, min_size=1, max_size=3),
)
def test_no_mark_one_letter_or_one_sound_away_is_missed(
    register: Register, texts: list[list[str]], asked: list[str]
) -> None:
    """Against comparing with every mark; of those further away some may be missed."""
    register.delete([f"m{at}" for at in range(12)])
    written(register, {f"m{at}": " ".join(words) for at, words in enumerate(texts)})
    near = set()
    for at, words in enumerate(texts):
        is_alike = match_words(Words.of(" ".join(asked)), Words.of(" ".join(words)))
        if is_alike and any(is_near(one, other) for one in asked for other in words):
            near.add(f"m{at}")
    assert near <= set(found(register, " ".join(asked)))


def is_near(asked: str, word: str) -> bool:
    match = match_words(Words.of(asked), Words.of(word))
    return bool(match and (match.letters <= 1 or match.kind in ("begins", "sounds")))


def test_a_long_text_is_found_within_words_and_not_by_its_pieces(register: Register) -> None:
    texts = {"in": "The Megastar Coffeehouses", "pieces": "Star cofar Coff coffee house houses"}
    written(register, texts)
    assert found(register, "star coffeehouse")[0] == "in"
    held = register.numbers_with_text("star coffeehouse").tolist()
    assert [mark.record.id for mark in register.marks_numbered(held).values()] == ["in"]


WILD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=WILD, other=WILD)
def test_a_mark_is_found_by_its_own_words_whatever_they_are(
    register: Register, text: str, other: str
) -> None:
    written(register, {"own": text, "other": other})
    has_words = bool(Words.of(text).words)
    assert ("own" in found(register, text)) == has_words
    assert register.find(Filter(text=text, owner=other), Page(9))[1] == 0


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(owner="lion cafe"), ["EM-018000001", "EM-018000002"]),
        (Filter(owner="LÖWE"), ["US-7"]),
        (Filter(owner="lowe g"), ["US-7"]),
        (Filter(owner="x"), []),
        (Filter(number="018000001"), ["EM-018000001"]),
        (Filter(number="em-0180"), ["EM-018000001", "EM-018000002"]),
        (Filter(number="7"), ["US-7"]),
        (Filter(number="EM", owner="lion"), ["EM-018000001", "EM-018000002"]),
        (Filter(number="-0_8"), []),
        (Filter(number="EM 018 000 002"), ["EM-018000002"]),
        (Filter(number="018,000,002"), ["EM-018000002"]),
        (Filter(number="U-7"), []),  # all short: the whole is looked for
        (Filter(owner="café-lion"), ["EM-018000001", "EM-018000002"]),
        (Filter(owner="g. lion"), ["EM-018000001", "EM-018000002"]),
        (Filter(owner="lion löwe"), []),
        (Filter(owner="loewe"), ["US-7"]),
        (Filter(owner="Loewe, GmbH"), ["US-7"]),
    ],
)
def test_owners_and_numbers_are_found_by_part(
    register: Register, wanted: Filter, expected: list[str]
) -> None:
    written(register, {"EM-018000001": "a", "EM-018000002": None}, owner="Lion Café GmbH")
    written(register, {"US-7": "a"}, owner="Löwe GmbH")
    written(register, {"US-gone": "a"}, owner="Lion Café GmbH")
    register.delete(["US-gone"])
    assert [one.record.id for one in register.find(wanted, Page(9))[0]] == expected


@pytest.mark.parametrize(
    ("owner", "asked", "other"),
    [
        ("L'Oréal", "loreal", "loral"),
        ("L’Oréal", "l oreal", "loeral"),
        ("McDonald’s", "mcdonalds", "mcdonald's inc"),
        ("Müller & Söhne", "Soehne Mueller", "mueler"),
        ("Mueller Ltd", "Müller", "mueller inc"),
        ("Blue Ltd", "blue", "blu x"),
        ("Blum Ltd", "blum", "blue"),  # an e of its own is no umlaut
        ("Ölwerke", "oelwerke", "oel"),
        ("Coca-Cola", "coca cola", "cocacola"),
        ("H&M", "h&m", "h m"),
        ("株式会社ソニー", "ソニー", "ソニ株"),
        ("The International Refrigeration Company of Liechtenstein", "company ration the", "ofn"),
        ("One Two Three Four Ltd", "four three two one", "four three two one five"),
    ],
)
def test_words_of_an_owner_are_found_in_any_order_and_spelling(
    register: Register, owner: str, asked: str, other: str
) -> None:
    written(register, {"a": None}, owner=owner)
    wanted = [Filter(owner=asked), Filter(owner=owner), Filter(owner=other)]
    assert [register.find(one, Page(9))[1] for one in wanted] == [1, 1, 0]
    numbers = [register.numbers_with_text(one.owner or "", "owner").tolist() for one in wanted]
    assert [len(one) for one in numbers] == [1, 1, 0]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(owner=WILD, at=st.integers(0, 9), length=st.integers(1, 30))
def test_a_mark_is_found_by_any_part_of_its_owner_as_it_is_written(
    register: Register, owner: str, at: int, length: int
) -> None:
    written(register, {"own": None}, owner=owner)
    part = fold(MarkRecord("own", owner=owner).owner or "")[at : at + length].strip()
    assert not part or register.find(Filter(owner=part), Page(9))[1] == 1


@pytest.mark.parametrize(
    "words",
    [
        [f"{one}{two}s" for one in "abcdefghijklmnop" for two in "abcdefghijklmnop"],
        ["one", *map(chr, range(0x4E00, 0x4E00 + 500))],
    ],
)
def test_as_many_words_as_a_filter_takes_are_looked_for(
    register: Register, words: list[str]
) -> None:
    written(register, {"a": None}, owner=" ".join(words))
    asked = " ".join([words[0], *reversed(words)])[:MAX_WORDS]
    assert register.find(Filter(owner=asked), Page(9))[1] == 1


DAYS = st.none() | st.dates(date(2020, 1, 1), date(2020, 1, 4))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    days=st.lists(DAYS, max_size=9),
    order=st.sampled_from((*ORDERS, WORDS_ORDER)),
    size=st.integers(1, 4),
    gone=st.integers(0, 9),
)
def test_pages_together_list_every_mark_once_in_order(
    register: Register, days: list[date | None], order: str, size: int, gone: int
) -> None:
    register.delete([f"m{at}" for at in range(9)])
    records = [
        MarkRecord(f"m{at}", text=("star", "stars")[at % 2], filed=day, registered=day)
        for at, day in enumerate(days)
    ]
    register.add([EncodedMark(one, "d") for one in records])
    wanted = Filter(text="star") if order == WORDS_ORDER else Filter()
    seen: list[str] = []
    after: Place | None = None
    for _ in itertools.count():
        page = Page(size, order=order, after=after)
        if order == WORDS_ORDER:
            listed = register.find_words(wanted, page)[0]
        else:
            listed = [Listed(mark) for mark in register.find(wanted, page)[0]]
        if not listed:
            break
        seen += [one.mark.record.id for one in listed]
        after = listed[-1].place(order)
        register.delete([f"m{gone}"] if f"m{gone}" in seen else [])  # what was seen may go
    assert seen == in_order(records, order)


def in_order(records: list[MarkRecord], order: str) -> list[str]:
    """As Python sorts them."""
    if order == WORDS_ORDER:
        return [one.id for one in sorted(records, key=lambda one: (one.text or "", one.id))]
    name, falls = order.removeprefix("-"), order.startswith("-")
    if name == "id":
        return sorted((one.id for one in records), reverse=falls)
    dated = sorted((one.filed, one.id) for one in records if one.filed)
    undated = sorted(one.id for one in records if not one.filed)
    ids = [mark_id for _, mark_id in dated]
    return [*reversed(ids), *reversed(undated)] if falls else ids + undated


def test_an_offset_counts_over_marks_with_and_without_day(register: Register) -> None:
    written(register, {"a": None, "b": None}, filed=date(2020, 1, 1))
    written(register, {"c": None, "d": None})
    pages = [register.find(Filter(), Page(2, at, "filed"))[0] for at in range(5)]
    assert ["".join(one.record.id for one in page) for page in pages] == ["ab", "bc", "cd", "d", ""]


def test_how_many_pass_is_counted_again_after_a_write(register: Register) -> None:
    wanted = Filter(owner="lion")
    assert register.find(wanted, Page(1))[1] == 0
    written(register, {"a": None, "b": None}, owner="Lion Ltd")
    assert register.find(wanted, Page(1))[1] == register.find(wanted, Page(1))[1] == 2
    register.delete(["a"])
    assert register.find(wanted, Page(1))[1] == 1
