"""A build on disk: what it states, what it is named by, how its schema is led forward and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from watership.adapters.files.builds import digest, pausing, read_build, read_migrations, read_smoke
from watership.errors import BadInput, NotFound
from watership.fleet.build import SchemaRange


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("app = None\n")
    (tmp_path / "build.toml").write_text('version = "2.10"\nreads = [1, 2]\n')
    (tmp_path / "migrations").mkdir()
    for number in (1, 2):
        (tmp_path / "migrations" / f"forward_{number}.sql").write_text(f"CREATE TABLE t{number} (a);")
        (tmp_path / "migrations" / f"backward_{number}.sql").write_text(f"DROP TABLE t{number};")
    return tmp_path


def test_a_build_is_what_its_file_states_and_its_bytes_are(folder: Path) -> None:
    build = read_build(folder)
    assert (build.version, build.schema) == ("2.10", SchemaRange(1, 2))
    assert build.digest == digest(folder)


def test_any_changed_byte_and_any_changed_name_is_another_build(folder: Path) -> None:
    before = digest(folder)
    (folder / "app.py").write_text("app = 0000\n")
    changed = digest(folder)
    (folder / "app.py").rename(folder / "main.py")
    assert len({before, changed, digest(folder)}) == 3


def test_what_python_leaves_behind_is_no_part_of_a_build(folder: Path) -> None:
    before = digest(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_bytes(b"\0")
    assert digest(folder) == before


def test_migrations_come_in_order_with_their_ways_back(folder: Path) -> None:
    steps = [(each.start, each.end, each.backward) for each in read_migrations(folder)]
    assert steps == [(0, 1, "DROP TABLE t1;"), (1, 2, "DROP TABLE t2;")]


def test_a_migration_asks_in_its_first_comment_lines_that_writes_pause(folder: Path) -> None:
    script = folder / "migrations" / "forward_2.sql"
    script.write_text("-- A word on top.\n-- pauses writes\nCREATE TABLE t2 (a);")
    assert pausing(read_migrations(folder)) == {"2"}
    script.write_text("CREATE TABLE t2 (a);\n-- pauses writes")
    assert pausing(read_migrations(folder)) == frozenset()


def test_a_migration_without_a_way_back_is_refused(folder: Path) -> None:
    (folder / "migrations" / "backward_2.sql").unlink()
    with pytest.raises(BadInput, match=r"no way back.*backward_2\.sql"):
        read_migrations(folder)


def test_a_gap_between_migrations_is_refused(folder: Path) -> None:
    for name in ("forward", "backward"):
        (folder / "migrations" / f"{name}_2.sql").rename(folder / "migrations" / f"{name}_3.sql")
    with pytest.raises(BadInput, match="between 2 and 3"):
        read_migrations(folder)


def test_scripts_that_are_named_by_versions_come_in_the_order_of_versions(folder: Path) -> None:
    for script in (folder / "migrations").iterdir():
        script.unlink()
    for version in ("2.10.0", "2.9.0", "2.9.1"):
        for way in ("forward", "backward"):
            (folder / "migrations" / f"{way}_{version}.sql").write_text(f"-- {version}\nSELECT 1;")
    found = read_migrations(folder)
    assert [(each.start, each.end, each.name) for each in found] == [
        (0, 1, "2.9.0"),
        (1, 2, "2.9.1"),
        (2, 3, "2.10.0"),
    ]
    (folder / "build.toml").write_text('version = "2.10"\nreads = ["2.9.1", "2.10.0"]\n')
    assert read_build(folder).schema == SchemaRange(2, 3)
    (folder / "build.toml").write_text('version = "2.10"\nreads = ["2.8.0", "2.10.0"]\n')
    with pytest.raises(BadInput, match=r"reads 2\.8\.0.*2\.9\.0, 2\.9\.1, 2\.10\.0"):
        read_build(folder)


def test_names_of_two_kinds_have_no_order(folder: Path) -> None:
    for way in ("forward", "backward"):
        (folder / "migrations" / f"{way}_2.1.0.sql").write_text("SELECT 1;")
    with pytest.raises(BadInput, match="some by numbers and some by versions"):
        read_migrations(folder)


def test_a_folder_without_its_file_is_no_build_and_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"build\.toml.*version"):
        read_build(tmp_path)
    with pytest.raises(NotFound, match=r"smoke\.yaml"):
        read_smoke(tmp_path)


def test_an_unknown_word_in_the_file_is_refused(folder: Path) -> None:
    (folder / "build.toml").write_text('version = "1"\nverison = "2"\n')
    with pytest.raises(BadInput, match="verison"):
        read_build(folder)
