"""Tables from before Unicode: East Asian ones are recognised, and Western ones are never taken
for them."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.sources import RejectedRow, SourceRow, open_source
from indexer.sources.old_encodings import old_encoding_of

# Names of companies and goods as registers hold them.
JAPANESE = (
    "花王株式会社",
    "資生堂",
    "アサヒビール",
    "キリン一番搾り",
    "ヤマハ",
    "東京ばな奈",
    "表示ソ能",
)
MAINLAND = (
    "北京同仁堂科技发展股份有限公司",
    "华为技术有限公司",
    "娃哈哈",
    "茅台",
    "老干妈",
    "海尔",
)
TAIWANESE = ("統一企業股份有限公司", "鼎泰豐", "台灣積體電路", "康師傅", "許功蓋", "臺灣啤酒")
KOREAN = ("삼성전자 주식회사", "롯데제과", "농심 신라면", "현대자동차", "빙그레 바나나맛우유")
KANJI = (
    *("花王株式会社", "資生堂", "三菱電機株式会社", "日本電気", "東京電力", "武田薬品工業"),
    *("大塚製薬", "森永乳業", "明治製菓", "虎屋", "養命酒製造", "月桂冠", "白鶴酒造", "住友商事"),
    *("川崎重工業", "富士通", "日立製作所", "日清食品", "大正製薬", "旭化成", "東洋水産", "伊藤園"),
)
TEXTS = {
    "shift_jis": ("Shift_JIS", JAPANESE),
    "cp932": ("Shift_JIS", (*JAPANESE, "髙島屋", "①番")),
    "euc_jp": ("EUC-JP", JAPANESE),
    "gb2312": ("GB18030", MAINLAND),
    "gb18030": ("GB18030", (*MAINLAND, "喆昇", "€ 9")),
    "big5": ("Big5", TAIWANESE),
    "euc_kr": ("EUC-KR", KOREAN),
    "cp949": ("EUC-KR", (*KOREAN, "똠방각하")),
}
WESTERN = (
    *("Löwenbräu GmbH & Söhne", "Größe – “Maßstab”", "MÜLLER ÖL", "ÄÖÜß", "äöüß äöüß", "Überfluß"),
    *("Société Générale", "création créée née", "L’Oréal", "O’Neill’s", "’80s It’s", "œuvre cœur"),
    *("São João coração", "ÀÁÂÃÄÅ", "Señor Peña ¿Qué?", "Smörgåsbord ÅÄÖ", "Ærø Øl", "½ ° ± × © ®"),
    *("naïve façade", "«Élan»", "Œdème", "100 €", "Tiëst", "Šibenik Žale", "Þór Ðís"),
)


def table(folder: Path, texts: tuple[str, ...], encoding: str) -> Path:
    path = folder / "marks.csv"
    rows = (f'{number},{number}.png,"{text}"\n' for number, text in enumerate(texts))
    path.write_bytes(("id,image,text\n" + "".join(rows)).encode(encoding))
    return path


def read(path: Path) -> tuple[list[str | None], list[str]]:
    source = open_source(path)
    return [row.record.text for row in source if isinstance(row, SourceRow)], source.warnings[:1]


@pytest.mark.parametrize("encoding", TEXTS)
def test_east_asian_tables_are_recognised(tmp_path: Path, encoding: str) -> None:
    name, texts = TEXTS[encoding]
    found, warnings = read(table(tmp_path, texts, encoding))
    assert found == [*texts]
    assert warnings == [f"marks.csv is not UTF-8; read as {name}"]


@pytest.mark.parametrize("texts", [KANJI, KANJI[:6], KANJI[::2]])
def test_kanji_alone_in_euc_jp_are_taken_for_no_other_encoding(
    tmp_path: Path, texts: tuple[str, ...]
) -> None:
    found, warnings = read(table(tmp_path, texts, "euc_jp"))
    assert found == [text.encode("euc_jp").decode("cp1252") for text in texts]
    assert warnings == ["marks.csv is not UTF-8; read as Windows-1252"]


SHORT = [
    (encoding, text)
    for encoding in ("shift_jis", "gb2312", "big5", "euc_kr")
    for text in TEXTS[encoding][1]
    if len(text.replace(" ", "")) >= 4
]


@pytest.mark.parametrize(("encoding", "text"), SHORT)
def test_a_table_of_one_mark_with_a_few_letters_is_enough(
    tmp_path: Path, encoding: str, text: str
) -> None:
    path = table(tmp_path, (text,), encoding)
    assert read(path) == ([text], [f"marks.csv is not UTF-8; read as {TEXTS[encoding][0]}"])


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "big5", "euc_kr"])
def test_letters_may_come_late_and_lie_across_the_pieces_that_are_read(
    tmp_path: Path, encoding: str
) -> None:
    texts = TEXTS[encoding][1]
    plain = tuple(f"plain{'x' * (number % 97)}" for number in range(20_000))  # more than a piece
    many = (*plain, *texts * 300)
    path = table(tmp_path, many, encoding)
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    found, warnings = read(packed)
    assert found == [*many]
    assert TEXTS[encoding][0] in warnings[0]


def test_a_damaged_byte_costs_its_row_and_no_other(tmp_path: Path) -> None:
    path = table(tmp_path, JAPANESE * 30, "shift_jis")
    content = path.read_bytes()
    path.write_bytes(content.replace("資生堂".encode("shift_jis"), b"\x8e\xff\x90", 1))
    source = open_source(path, strict=True)
    rows = list(source)
    assert [row.position for row in rows if isinstance(row, RejectedRow)] == [3]
    assert len(rows) == len(JAPANESE * 30)
    assert source.warnings[0].endswith("read as Shift_JIS")


@pytest.mark.parametrize("texts", [*((text,) for text in WESTERN), WESTERN, WESTERN * 500])
def test_western_tables_stay_windows_1252(tmp_path: Path, texts: tuple[str, ...]) -> None:
    path = table(tmp_path, texts, "cp1252")
    assert read(path) == ([*texts], ["marks.csv is not UTF-8; read as Windows-1252"])


def western_lines() -> Iterator[str]:
    for text in WESTERN:
        yield from (text, text.upper(), text.lower(), text.title())


@given(st.lists(st.sampled_from(sorted(western_lines())), min_size=1, max_size=8), st.booleans())
@example(["O’NEILL’S", "O’NEILL’S", "ÄÖÜSS ÄÖÜSS", "ÄÖÜSS ÄÖÜSS"], False)
def test_no_western_words_put_together_are_taken_for_east_asian(words: list, close: bool) -> None:
    line = ("" if close else " ").join(words).encode("cp1252", "ignore")
    assert old_encoding_of(line) is None


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "ЛАДА"),
        ("cp1251", "ЛАДА ВОЛГА Россия"),
        ("koi8-r", "Москва ЛАДА"),
        ("cp1253", "ΑΘΗΝΑ ελλάδα"),
        ("cp1250", "Łódź Żywiec Pączek źdźbło"),
        ("cp1255", "שלום"),
        ("cp1256", "مرحبا بالعالم"),
        ("tis-620", "เบียร์สิงห์ ไทย"),
        ("cp437", "Müller Ärzte é"),
        ("mac_roman", "Müller Ärzte é"),
    ],
)
def test_other_scripts_are_not_taken_for_east_asian(encoding: str, text: str) -> None:
    assert old_encoding_of(text.encode(encoding)) is None
    assert old_encoding_of(f"{text};{text}\n".encode(encoding) * 50) is None


def test_too_few_letters_say_nothing(tmp_path: Path) -> None:
    _, warnings = read(table(tmp_path, ("ヤマハ",), "shift_jis"))
    assert warnings == ["marks.csv is not UTF-8; read as Windows-1252"]
