"""Ids are words of 26 letters that sort by the time at which they were made."""

from __future__ import annotations

import os
import time
from itertools import pairwise

from watership.durable.ids import Key, RunId, child_id, random_ids, seeded_ids


def test_ids_made_one_after_the_other_sort_by_their_millisecond() -> None:
    new_id = random_ids()
    made = []
    for _ in range(4):
        made.append(new_id())
        time.sleep(0.002)
    assert all(before < after for before, after in pairwise(made))


def test_ids_of_one_moment_differ_in_their_ends() -> None:
    new_id = random_ids()
    assert len({new_id()[-10:] for _ in range(10_000)}) == 10_000


def test_a_seed_and_a_parent_always_give_the_same_ids() -> None:
    # Journals hold children's ids: they must be spelled like this for ever.
    assert seeded_ids(7)() == "1rpkk55s2dmzs3e3cy4r72e4v5"
    assert child_id(RunId("parent"), Key("child/0")) == "7nd4e93eqt92xwyc45w36z6ftj"


def test_an_id_has_26_letters_that_cannot_be_mistaken_for_one_another() -> None:
    assert all(
        len(word) == 26 and not set(word) & set("iloUABC")
        for word in (random_ids()(), seeded_ids(1)(), child_id(RunId("a"), Key("b")))
    )


def test_the_child_of_a_fork_makes_other_ids_than_its_parent() -> None:
    new_id = random_ids()
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id()[-16:].encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, encoding="ascii") as words:
        assert words.read() != new_id()[-16:]
