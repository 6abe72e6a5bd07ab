"""`marklens search` and `marklens classify` as a user types them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.Image import Transpose

from search_api.cli.found import shown_score

Run = Callable[..., Any]
Parsed = Callable[[Any], Any]
Complaint = Callable[[Any], str]


def test_search_finds_the_picture_itself_first(run: Run, source: Path, parsed: Parsed) -> None:
    run("index", source)
    found = parsed(run("search", source / "5.png", "-k", "3", "--json"))
    assert list(found) == ["query", "plan", "hits", "better_than_chance"]
    assert len(found["hits"]) == 3
    best = found["hits"][0]
    assert best["id"] == "EM-5"
    assert best["score"] == pytest.approx(1, abs=1e-3)
    assert set(best["scores"]) == {"visual", "concept", "colour"}
    assert best["image"] == "/api/v1/marks/EM-5/image"
    assert (best["text"], best["nice"], best["vienna"]) == ("word 5", [14], ["26.04"])
    assert found["plan"]["total"] == 8
    assert set(found["plan"]["milliseconds"]) == {
        "decode",
        "wait",
        "encode",
        "filter",
        "search",
        "rerank",
    }
    for seen in found["query"]["vienna"]:
        assert set(seen) == {"code", "title", "probability"}
    assert found["query"]["pages"] == 1


def test_of_a_picture_with_pages_one_can_be_chosen(run: Run, source: Path, parsed: Parsed) -> None:
    run("index", source)
    first, second = (Image.open(source / f"{number}.png").convert("RGB") for number in (2, 5))
    file = source.parent / "paged.tif"
    first.save(file, "TIFF", save_all=True, append_images=[second.transpose(Transpose.ROTATE_90)])
    shown = run("search", file, "-k", "1")
    assert "paged.tif has 2 pages; page 1 was compared: --page chooses another" in shown.stderr
    assert "EM-2" in shown.stdout
    chosen = parsed(run("search", file, "--page", "2", "--turn", "90", "-k", "1", "--json"))
    assert [hit["id"] for hit in chosen["hits"]] == ["EM-5"]
    assert parsed(run("classify", file, "--page", "2", "--json"))["images"]


def test_several_pictures_of_a_sign_are_one_query(run: Run, source: Path, parsed: Parsed) -> None:
    run("index", source)
    files = (source / "5.png", source / "2.png")
    found = parsed(run("search", *files, "--together", "-k", "2", "--json"))
    first = [(hit["id"], hit["pair"]["picture"]) for hit in found["hits"]]
    assert sorted(first) == [("EM-2", 1), ("EM-5", 0)]
    shown = run("search", *files, "--together", "-k", "2")
    assert re.search(r"EM-2 +word 2 .* 2$", shown.stdout, re.MULTILINE)
    refused = run("search", *files)
    assert refused.exit_code == 2
    assert "--together" in refused.stderr
    paged = source.parent / "paged.tif"
    pages = [Image.open(source / f"{number}.png").convert("RGB") for number in (4, 2)]
    pages[0].save(paged, "TIFF", save_all=True, append_images=pages[1:])
    of_second = ("--other-view", "page=2", "--json")
    chosen = run("search", files[0], paged, "--together", "-k", "2", *of_second)
    assert {hit["id"] for hit in parsed(chosen)["hits"]} == {"EM-2", "EM-5"}
    assert "paged.tif has 2 pages; page 2 was compared: --other-view chooses" in chosen.stderr
    refused = run("search", *files, "--together", "--other-view", "page")
    assert (refused.exit_code, "page=2;turn=90" in refused.stderr) == (2, True)


def test_search_shows_people_a_table(run: Run, source: Path) -> None:
    run("index", source)
    shown = run("search", source / "5.png", "-k", "2")
    assert shown.exit_code == 0
    assert "seen in the query" in shown.stdout
    assert re.search(r"^ +1 +1\.000 .* EM-5 +word 5 +26\.04", shown.stdout, re.MULTILINE)
    assert "8 of 8 marks compared (exact)" in shown.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--vienna", "03"], {0, 1, 2}),
        (["--vienna", "A 3.1.8"], {0, 1, 2}),
        (["--vienna", "03,26.04"], {0, 1, 2, 3, 4, 5, 6, 7}),
        (["--vienna", "03", "--vienna", "26"], {0, 1, 2, 3, 4, 5, 6, 7}),
        (["--all-vienna", "03", "--all-vienna", "26"], set()),
        (["--not-vienna", "03.01"], {3, 4, 5, 6, 7}),
        (["--status", "EXPIRED"], {1, 3, 5, 7}),
        (["--nice", "9;10"], {0, 1}),
        (["--filed-from", "2022-01-31", "--filed-to", "2023-12-31"], {2, 3}),
        (["--registered-from", "2022-01-31", "--registered-to", "2023-12-31"], set()),
        (["--number", "em-4"], {4}),
        (["--office", "US"], set()),
        (["--status", "registered", "--vienna", "03"], {0, 2}),
    ],
)
def test_filters_restrict_what_is_found(
    run: Run, source: Path, options: list[str], expected: set[int], parsed: Parsed
) -> None:
    run("index", source)
    found = parsed(
        run("search", source / "5.png", "--vienna-source", "assigned", "--json", *options)
    )
    assert {hit["id"] for hit in found["hits"]} == {f"EM-{n}" for n in expected}
    assert found["plan"]["matched"] == len(expected)


def test_a_status_with_a_comma_is_one_status(run: Run, source: Path, parsed: Parsed) -> None:
    table = source / "marks.csv"
    table.write_text(table.read_text().replace("expired", '"Registered, opposed"'))
    run("index", source)
    found = parsed(run("search", "--status", "registered, opposed", "--json"))
    assert {mark["status"] for mark in found["marks"]} == {"registered, opposed"}
    assert found["total"] == 4
    both = ("--status", "registered", "--status", "registered, opposed")
    assert parsed(run("search", *both, "--json"))["total"] == 8


def test_marks_are_listed_page_by_page(run: Run, source: Path, parsed: Parsed) -> None:
    run("index", source)
    pages = [
        parsed(run("search", "--text", "word", "-k", "3", "--offset", offset, "--json"))
        for offset in ("0", "3", "6")
    ]
    assert [page["total"] for page in pages] == [8, 8, 8]
    listed = [mark["id"] for page in pages for mark in page["marks"]]
    assert listed == [f"EM-{number}" for number in range(8)]


def test_words_alone_find_what_is_spelt_alike(run: Run, source: Path, parsed: Parsed) -> None:
    table = source / "marks.csv"
    table.write_text(table.read_text().replace("word 3", "Google").replace("word 5", "Google Maps"))
    run("index", source)
    found = parsed(run("search", "--text", "gogle", "--json"))
    assert [mark["id"] for mark in found["marks"]] == ["EM-3", "EM-5"]
    assert found["marks"][0]["match"]["kind"] == "sounds"
    shown = run("search", "--text", "gogle").stdout
    assert "sounds alike" in shown
    newest = parsed(run("search", "--text", "gogle", "--order", "-filed", "-k", "1", "--json"))
    assert [mark["id"] for mark in newest["marks"]] == ["EM-5"]
    rest = run(
        "search", "--text", "gogle", "--order", "-filed", "--after", newest["next"], "--json"
    )
    assert [mark["id"] for mark in parsed(rest)["marks"]] == ["EM-3"]
    assert parsed(run("search", "--number", "-4", "--json"))["total"] == 1


def test_a_list_names_owners_and_says_what_to_try_where_nothing_is_found(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "words.csv"
    table.write_text(
        "id,text,owner,office,status,filed,registered,nice,vienna\n"
        "EM-1,,L'Oréal S.A.,EM,registered,2020-01-31,2021-02-28,3;5;9;14;44,03.01.08\n"
        "EM-2,Torvo,Lion Cafe GmbH,EM,filed,2020-01-31,,43,\n"
    )
    run("index", table)
    title, columns, first, *_ = run("search", "--office", "EM").stdout.splitlines()
    assert title == "marks"
    every = ["id", "text", "owner", "codes", "status", "filed", "registered", "office", "nice"]
    assert columns.split() == every
    assert first.split()[:4] == ["EM-1", "L'Oréal", "S.A.", "03.01.08"]
    assert first.endswith(" EM      3 5 9 14 …")
    for width, left_out in ((80, {"nice"}), (70, {"nice", "office"}), (50, set(every[6:]))):
        monkeypatch.setattr("search_api.cli.console._PIPED_WIDTH", width)
        shown = run("search", "--owner", "loreal").stdout.splitlines()
        assert len(shown) == 4, "a mark is one line"
        assert set(every) - set(shown[1].split()) == left_out | (
            {"codes"} if width == 50 else set()
        )
    assert "try one word of --text alone" in run("search", "--text", "xqzvw").stderr
    both = run("search", "--owner", "torvo", "--nice", "43").stderr
    assert "one word in --owner" in both
    assert "without one of --nice, --owner" in both
    assert run("search", "--owner", "lion").stderr == ""


@pytest.mark.parametrize(("score", "shown"), [(-0.04, "0.00"), (-0.0, "0.00"), (0.956, "0.96")])
def test_people_are_shown_no_score_below_zero(score: float, shown: str) -> None:
    assert shown_score(score, 2) == shown


def test_a_mark_of_the_register_can_be_the_query(
    run: Run, source: Path, parsed: Parsed, complaint: Complaint
) -> None:
    run("index", source)
    found = parsed(run("search", "--mark", "EM-2", "-k", "8", "--json"))
    assert len(found["hits"]) == 7
    assert "EM-2" not in {hit["id"] for hit in found["hits"]}
    failed = run("search", "--mark", "EM-99")
    assert (failed.exit_code, "EM-99" in complaint(failed)) == (2, True)


@pytest.mark.usefixtures("empty_register")
def test_an_empty_register_says_what_to_do(run: Run, source: Path) -> None:
    searched = run("search", source / "1.png")
    assert searched.exit_code == 0
    assert "the register is empty: read marks into it with `marklens index`" in searched.stderr


@pytest.mark.usefixtures("empty_register")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-k", "0"], "1"),
        (["-k", "-5"], "1"),
        (["-k", "many"], "-k"),
        (["--vienna", "lion"], "lion"),
        (["--vienna", "03.99"], "03.99"),
        (["--nice", "46"], "46"),
        (["--nice", "x"], "Nice class"),
        (["--weights", "visual"], "visual"),
        (["--weights", "shape=1"], "shape"),
        (["--weights", "visual=0,concept=0,colour=0"], "0"),
        (["--crop", "1,2,3"], "x,y,width,height"),
        (["--crop", "0,0,9999,9999"], "9999"),
        (["--page", "2"], "no page 2"),
        (["--turn", "1000"], "--turn"),
        (["--filed-from", "31.1.2024"], "31.1.2024"),
        (["--filed-from", "2024-01-01", "--filed-to", "2020-01-01"], "2024-01-01"),
        (["--min-probability", "2"], "2"),
        (["--mark", "EM-1"], "--mark"),
        (["--unknown"], "--unknown"),
        (["--order", "id"], "order"),
    ],
)
def test_bad_options_are_one_sentence_and_exit_code_2(
    run: Run, source: Path, options: list[str], words: str, complaint: Complaint
) -> None:
    failed = run("search", source / "1.png", *options)
    assert failed.exit_code == 2
    assert words in complaint(failed)


@pytest.mark.usefixtures("empty_register")
@pytest.mark.parametrize("name", ["missing.png", "marks.csv", "", "cut.png"])
def test_bad_pictures_are_one_sentence_and_exit_code_2(
    run: Run, source: Path, name: str, complaint: Complaint
) -> None:
    (source / "cut.png").write_bytes((source / "1.png").read_bytes()[:80])
    for command in ("search", "classify"):
        failed = run(command, source / name)
        assert failed.exit_code == 2
        assert (name or "source") in complaint(failed)


def test_a_picture_that_is_not_there_is_refused_before_the_network_is_loaded(
    run: Run, environment: dict[str, str], complaint: Complaint
) -> None:
    environment["MARKLENS_CHECKPOINT"] = "/nowhere"
    failed = run("search", "missing.png")
    assert failed.exit_code == 2
    assert "missing.png: there is no such file" in complaint(failed)


def test_classify_goes_on_after_a_bad_picture(run: Run, source: Path) -> None:
    (source / "bad.png").write_text("no picture")
    pictures = [source / "1.png", source / "bad.png", source / "2.png"]
    seen = run("classify", *pictures, "--json")
    assert seen.exit_code == 2
    first, bad, second = json.loads(seen.stdout)["images"]
    assert [one["image"] for one in (first, bad, second)] == [str(path) for path in pictures]
    assert "error" in bad
    for one in (first, second):
        probabilities = [code["probability"] for code in [*one["vienna"], *one["perhaps"]]]
        assert probabilities == sorted(probabilities, reverse=True)
    shown = run("classify", source / "2.png").stdout
    sure, _, perhaps = shown.partition("2.png: perhaps")
    assert str(source / "2.png") in sure
    for codes, part in ((second["vienna"], sure), (second["perhaps"], perhaps)):
        assert all(code["title"] in part for code in codes)
    assert second["perhaps"]


def test_hostile_words_do_not_reach_the_terminal(run: Run, source: Path) -> None:
    table = source / "marks.csv"
    table.write_text(table.read_text().replace("word 5", "\x1b[2J[red]boo[/nope]"))
    run("index", source)
    shown = run("search", source / "5.png", "-k", "1").stdout
    assert "[red]boo[/nope]" in shown
    assert "\x1b" not in shown


def test_codes_are_found_by_everyday_words_without_a_register(
    run: Run, parsed: Callable[[Any], Any]
) -> None:
    codes = parsed(run("vienna", "puppies", "--json"))["codes"]
    assert codes[0] == {"code": "03.01.08", "title": "Dogs, wolves, foxes", "by": "puppy"}
    shown = run("vienna", "light", "bulb").stdout
    assert "13.01.17" in shown
    assert "Electric light bulbs" in shown
    assert "No Vienna code" in run("vienna", "xyzzy").stdout
