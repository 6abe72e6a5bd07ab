"""`marklens verify` names each kind of damage, and the command that it names mends it."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from indexer.damage import KINDS
from indexer.index.vectors.snapshot import MANIFEST
from indexer.register.database import create_engine, parse_url
from search_api.kept_pictures import KeptPictures

Run = Callable[..., Any]


Held = Any  # the fixture's class
NAN = b"\x00\x7e"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def sequence(held: Held) -> None:
    held.sql("UPDATE counter SET value = 3 WHERE name = 'sequence'")
    shutil.rmtree(held.data / "snapshots")


def stray(table: str, columns: str, values: str) -> Callable[[Held], None]:
    """A row of a mark that was withdrawn."""

    def insert(held: Held) -> None:
        with held.register() as register:
            register.delete(["EM-5"])
        held.sql(f"INSERT INTO {table} ({columns}) VALUES ({values})")  # noqa: S608 - ours

    return insert


def set_embedding(change: Callable[[bytes], bytes]) -> Callable[[Held], None]:
    def damage(held: Held) -> None:
        with held.register() as register:
            embedding = register.embedding("EM-2")
        assert embedding is not None
        made = change(embedding.vectors.astype("<f2").tobytes())
        held.sql("UPDATE mark_embeddings SET embedding = :made WHERE mark_id = 'EM-2'", made=made)

    return damage


def set_snapshot(change: Callable[[Path], object], pattern: str) -> Callable[[Held], None]:
    return lambda held: change(sorted((held.data / "snapshots").glob(pattern))[0])


def snapshot_before(held: Held) -> None:
    """Marks change without new sequence numbers, as none of ours does."""
    held.sql(
        "UPDATE mark_embeddings SET embedding = (SELECT embedding FROM mark_embeddings "
        "WHERE mark_id = 'EM-3') WHERE mark_id = 'EM-4'"
    )


def ahead(folder: Path) -> None:
    """Make a snapshot say that it has more than the register."""
    body = json.loads((folder / MANIFEST).read_text())["body"]
    body["facts"]["sequence"] += 5
    sign(folder, body)


def sign(folder: Path, body: dict[str, Any]) -> None:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps({"sha256": digest, "body": body}))


def no_arrays(folder: Path) -> None:
    """Have a snapshot name a file that is whole, and none of arrays."""
    name = hashlib.sha256(b"none").hexdigest() + ".safetensors"
    (folder / name).write_bytes(b"none")
    body = json.loads((folder / MANIFEST).read_text())["body"]
    body["parts"][0]["fixed"] = name
    sign(folder, body)


def of_another(held: Held) -> None:
    held.sql("UPDATE meta SET value = 'another' WHERE key = 'identity'")


def update(values: str, of: str = "EM-2") -> Callable[[Held], None]:
    return lambda held: held.sql(f"UPDATE marks SET {values} WHERE id = '{of}'")  # noqa: S608


def sqls(*statements: str) -> Callable[[Held], None]:
    return lambda held: held.sql(*statements)


INDEX, TABLES, ENCODE, REBUILD = "index", "rebuild --tables", "rebuild --encode", "rebuild"
DAMAGES: dict[str, tuple[Callable[[Held], object], str, list[str]]] = {
    "a picture lost": (lambda held: held.picture("EM-2").unlink(), "picture-missing", [INDEX]),
    "a picture cut": (lambda held: cut(held.picture("EM-2")), "picture-altered", [INDEX]),
    "a picture flipped": (lambda held: flip(held.picture("EM-2")), "picture-altered", [INDEX]),
    "no embedding": (
        sqls("DELETE FROM mark_embeddings WHERE mark_id = 'EM-2'"),
        "embedding-missing",
        [ENCODE],
    ),
    "an embedding cut": (set_embedding(lambda held: held[:-1]), "embedding-damaged", [ENCODE]),
    "an embedding short": (set_embedding(lambda held: held[:-2]), "embedding-damaged", [ENCODE]),
    "more vectors than boxes": (set_embedding(lambda one: one * 2), "embedding-damaged", [ENCODE]),
    "not a number": (set_embedding(lambda one: NAN + one[2:]), "embedding-damaged", [ENCODE]),
    "words changed": (update("text = 'other'"), "mark-altered", [ENCODE, INDEX]),
    "another network's mark": (update("digest = 'd'"), "mark-altered", [ENCODE]),
    "another network": (
        sqls("UPDATE meta SET value = 'another' WHERE key = 'fingerprint'"),
        "network",
        [ENCODE],
    ),
    "a code lost": (sqls("DELETE FROM mark_codes WHERE mark_id = 'EM-2'"), "codes", [TABLES]),
    "another class": (
        sqls("UPDATE mark_classes SET nice_class = 44 WHERE mark_id = 'EM-2'"),
        "codes",
        [TABLES],
    ),
    "a probability": (
        sqls("UPDATE mark_codes SET confident = NOT confident WHERE mark_id = 'EM-2'"),
        "codes",
        [TABLES],
    ),
    "folded otherwise": (update("text_folded = 'other'"), "words", [TABLES]),
    "an owner folded": (update("owner_folded = 'other'"), "words", [TABLES]),
    "places of words lost": (sqls("DELETE FROM mark_terms WHERE number = 3"), "words", [TABLES]),
    "a word lost": (sqls("DELETE FROM terms WHERE term = 'word'"), "words", [TABLES]),
    "a key of a word": (
        sqls("UPDATE term_keys SET key = 7 WHERE key = (SELECT max(key) FROM term_keys)"),
        "words",
        [TABLES],
    ),
    "a key of another word": (sqls("UPDATE term_keys SET word = 'else'"), "words", [TABLES]),
    "a key of no word": (
        sqls("INSERT INTO term_keys VALUES (7, 999, 'else')"),
        "left-over",
        [TABLES],
    ),
    "a place of no mark": (sqls("INSERT INTO mark_terms VALUES (1, 4, 9)"), "left-over", [TABLES]),
    "the sequence": (sequence, "counters", [TABLES]),
    "the count": (sqls("UPDATE counter SET value = 99 WHERE name = 'marks'"), "counters", [TABLES]),
    "no sequence": (
        sqls("DELETE FROM counter WHERE name = 'sequence'"),
        "counters",
        [TABLES],
    ),
    "no count": (sqls("DELETE FROM counter WHERE name = 'marks'"), "counters", [TABLES]),
    "codes of no mark": (
        stray("mark_codes", "mark_id, source, code, confident", "'EM-5', 'assigned', '05', true"),
        "left-over",
        [TABLES],
    ),
    "an embedding of no mark": (
        stray("mark_embeddings", "mark_id, embedding", "'EM-5', '12'"),
        "left-over",
        [TABLES],
    ),
    "places without picture": (
        sqls("INSERT INTO mark_places (mark_id, places) VALUES ('EM-W', '12')"),
        "left-over",
        [TABLES],
    ),
    "a row unreadable": (
        update("""lists = '{"vienna": ["99.99.99.99"]}'"""),
        "mark-unreadable",
        ["DELETE EM-2", INDEX],
    ),
    "a snapshot flipped": (set_snapshot(flip, "*.safetensors"), "snapshot-damaged", [REBUILD]),
    "its manifest": (set_snapshot(flip, MANIFEST), "snapshot-damaged", [REBUILD]),
    "a snapshot file lost": (
        set_snapshot(Path.unlink, "*.safetensors"),
        "snapshot-damaged",
        [REBUILD],
    ),
    "no arrays": (
        lambda held: no_arrays(held.data / "snapshots"),
        "snapshot-damaged",
        [REBUILD],
    ),
    "of another register": (of_another, "snapshot-other", [REBUILD]),
    "of what a restore lost": (sqls("UPDATE stamps SET stamp = 7"), "snapshot-other", [REBUILD]),
    "ahead of the register": (
        lambda held: ahead(held.data / "snapshots"),
        "snapshot-other",
        [REBUILD],
    ),
    "other embeddings in it": (snapshot_before, "snapshot-differs", [REBUILD]),
    "a mark more in it": (
        sqls("UPDATE marks SET deleted = true WHERE id = 'EM-W'"),
        "snapshot-differs",
        [TABLES],
    ),
    "a mark less in it": (
        update("number = 77", "EM-7"),
        "snapshot-differs",
        [TABLES],
    ),
    "a watch ahead": (sqls("UPDATE watches SET checked = 99"), "watch", ["watch remove ours"]),
    "a watched sign cut": (
        lambda held: held.sql("UPDATE watched_signs SET vectors = :cut", cut=b"12"),
        "watch",
        ["watch remove ours"],
    ),
    "a watch of a mark that never was": (
        sqls("UPDATE watched_signs SET mark_id = 'never'"),
        "watch",
        ["watch remove ours"],
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named_and_mended_by_the_command_that_is_named(
    held: Held, damage: str
) -> None:
    assert held.verify() == (0, {})
    do, kind, repairs = DAMAGES[damage]
    do(held)
    code, found = held.verify()
    assert code == 1
    assert kind in found, found
    assert found[kind]["is_damage"]
    assert found[kind]["examples"]
    for repair in repairs:
        words = repair.split()
        if words[0] == "DELETE":
            with held.register() as register:
                register.delete(words[1:])
            continue
        if "/api/" not in found[kind]["repair"] and words[0] != "watch":
            assert any(f"marklens {repair}" in one["repair"] for one in found.values())
        if words == [INDEX]:
            words.append(str(held.source))
        result = held.run(*words)
        assert result.exit_code == 0, result.output
    code, found = held.verify()
    assert code == 0, found


def test_every_kind_of_damage_is_tried() -> None:
    tried = {kind for _, kind, _ in DAMAGES.values()}
    beyond = {"database", "kept-picture", "snapshot-behind", "picture-of-no-mark"}
    assert tried | beyond == set(KINDS)


def test_what_is_only_worth_knowing_is_told_and_no_damage(held: Held) -> None:
    orphan = held.data / "images" / "ab" / ("ab" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"of a run that was killed")
    elsewhere = held.data / "images" / "00" / ("ff" * 32)  # where none of ours is
    elsewhere.parent.mkdir(exist_ok=True)
    elsewhere.write_bytes(b"another's")
    with held.register() as register:
        register.delete(["EM-6"])
    kept = KeptPictures(held.data / "queries", 60, 10**6)
    kept.keep(b"a picture")
    for one in (held.data / "queries" / "pictures").iterdir():
        cut(one)
    code, found = held.verify()
    assert code == 0
    assert {kind: one["count"] for kind, one in found.items()} == {
        "kept-picture": 1,
        "snapshot-behind": 1,
        "picture-of-no-mark": 2,  # that of the withdrawn mark, too
    }


def test_pictures_are_not_read_where_that_is_asked_for(held: Held) -> None:
    flip(held.picture("EM-2"))
    kept = KeptPictures(held.data / "queries", 60, 10**6)
    kept.keep(b"a picture")
    for one in (held.data / "queries" / "pictures").iterdir():
        cut(one)
    assert held.verify("--quick") == (0, {})
    held.picture("EM-2").unlink()
    assert held.verify("--quick")[0] == 1


def test_people_are_told_in_words(held: Held) -> None:
    for n in (1, 2, 3):
        held.picture(f"EM-{n}").unlink()
    result = held.run("verify", "-n", "1")
    assert result.exit_code == 1
    shown = result.stdout
    assert "damaged: Files of pictures are missing. (picture-missing, 3)" in shown
    assert "and 2 more" in shown
    assert "mend with: marklens index SOURCE" in shown
    assert shown.endswith("damaged; checked: 9 marks, 9 snapshot marks, 5 pictures\n")
    assert held.run("index", held.source).exit_code == 0
    said = held.run("verify").stdout
    assert said == "nothing is damaged; checked: 9 marks, 9 snapshot marks, 8 pictures\n"


def test_a_damaged_file_is_found(held: Held) -> None:
    if not held.url.startswith("sqlite"):
        pytest.skip("PostgreSQL's files are checked by pg_amcheck")
    held.sql("UPDATE mark_words_data SET block = x'00' WHERE id > 9")
    code, found = held.verify()
    assert (code, found.keys()) == (1, {"words"})
    assert held.run("rebuild", "--tables").exit_code == 0
    assert held.verify() == (0, {})
    file = held.data / "register.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'marks_by_pixels'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    content[root * size - 8 : root * size] = b"\xff" * 8
    file.write_bytes(content)
    code, found = held.verify()
    assert code == 1
    assert "database" in found


@pytest.mark.parametrize("fault", ["none", "no database", "schema", "a later schema"])
def test_what_cannot_be_checked_is_said_with_its_own_exit_code(
    held: Held, environment: dict[str, str], tmp_path: Path, fault: str
) -> None:
    if fault == "none":
        environment["MARKLENS_DATABASE_URL"] = f"sqlite:///{tmp_path / 'nowhere.db'}"
    elif fault == "no database":
        environment["MARKLENS_DATABASE_URL"] = "postgresql://u@127.0.0.1:1/db"
    elif fault == "schema":
        held.sql("UPDATE alembic_version SET version_num = '0008'")
    else:
        held.sql("UPDATE alembic_version SET version_num = '9999'")
    result = held.run("verify")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("marklens: cannot be checked: ")
    assert not (tmp_path / "nowhere.db").exists()
    if fault == "a later schema":
        assert "install the newer version" in result.stderr
    if fault == "schema":
        assert "has schema 0008" in result.stderr
        engine = create_engine(parse_url(held.url))
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0008"
        engine.dispose()
