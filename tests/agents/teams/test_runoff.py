"""The instant runoff agrees with published elections, and with a reference that eliminates one after the other."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.agents.teams.elections import NAMES, cast, rankings
from watership.agents.teams.ballot import Ranking
from watership.agents.teams.election import MAJORITY, Election, RankedChoice
from watership.agents.teams.runoff import Round, runoff
from watership.agents.teams.tally import Decided, NoConsensus, tally

# --- published elections ------------------------------------------------------------------------------------


def test_tennessees_capital_is_knoxville() -> None:
    """The textbook example: Memphis, Nashville, Chattanooga, Knoxville, by their distances."""
    ended = runoff("MNCK", rankings((42, "MNCK"), (26, "NCKM"), (15, "CKNM"), (17, "KCNM")))
    assert ended.winners == ("K",)
    assert [each.counts for each in ended.rounds] == [
        {"M": 42, "N": 26, "C": 15, "K": 17},
        {"M": 42, "N": 26, "K": 32},
        {"M": 42, "K": 58},
    ]


def test_burlington_2009_elects_kiss_with_the_published_counts() -> None:
    """Official counts: first 2,951 / 2,585 / 2,063 / 1,306 / 35 / 36, then 3,294 / 2,981 / 2,554, then 4,313 / 4,061.

    The ballots are the smallest set with these transfers: 343, 396 and 491 of the last three and 151 exhausted (four
    blank ones are no rankings and left out here: 147), then 1,332 to Kiss, 767 to Wright, and 455 exhausted.
    """
    ballots = rankings(
        (2951, "W"), (2585, "K"),
        (1332, "MK"), (731, "MW"),  # Montroll's own 2,063
        (343, "SW"), (396, "SK"), (36, "SMW"), (384, "SM"), (147, "S"),  # Smith's 1,306
        (35, "PM"), (36, "XM"),  # Simpson's and the written-in, which are of no consequence
    )  # fmt: skip
    ended = runoff("WKMSPX", ballots)
    assert ended.winners == ("K",)
    first, *_, last_but_one, last = ended.rounds
    assert first.counts == {"W": 2951, "K": 2585, "M": 2063, "S": 1306, "P": 35, "X": 36}
    assert last_but_one == Round(
        counts={"W": 3294, "K": 2981, "M": 2554}, exhausted=147, out=(("M",),), won=None
    )
    assert last == Round(counts={"W": 4061, "K": 4313}, exhausted=147 + 455, won="K")


def test_burlingtons_winner_had_no_majority_of_all_ballots() -> None:
    """Among the three finalists: Kiss beats Wright by 4,314 to 4,064, and 455 of the 8,833 ballots are exhausted."""
    groups = (
        (1332, "MKW"), (767, "MWK"), (455, "M"), (2043, "KMW"), (371, "KWM"), (568, "K"), (1513, "WMK"), (495, "WKM"),
        (1289, "W"),
    )  # fmt: skip
    ballots = cast(*(Ranking(each) for each in rankings(*groups)))
    election = Election(candidates=("M", "K", "W"), electorate=9_000, method=RankedChoice())
    assert tally(ballots, election).outcome == Decided("K")
    strict = Election(candidates=("M", "K", "W"), electorate=9_000, method=RankedChoice(), bar=MAJORITY)
    assert tally(ballots, strict).outcome == NoConsensus("K", 4314, 8833)


# --- ties ---------------------------------------------------------------------------------------------------


def test_two_that_are_left_alike_are_tied() -> None:
    ended = runoff("abc", rankings((2, "a"), (2, "b"), (1, "c")))
    assert ended.winners == ("a", "b")


def test_a_tie_for_the_last_place_that_decides_who_wins_is_a_tie() -> None:
    # Whichever of b and c goes first, its ballots make the other win.
    ended = runoff("abc", rankings((3, "a"), (2, "bc"), (2, "cb")))
    assert ended.rounds[0].out == (("b",), ("c",))
    assert ended.winners == ("b", "c")


def test_a_tie_for_the_last_place_that_decides_nothing_is_none() -> None:
    ended = runoff("abc", rankings((3, "a"), (2, "ba"), (2, "ca")))
    assert len(ended.rounds[0].out) == 2
    assert ended.winners == ("a",)


def test_those_who_could_not_have_stayed_go_out_together() -> None:
    ended = runoff("abcd", rankings((5, "a"), (4, "b"), (1, "cb"), (1, "db")))
    assert ended.rounds[0].out == (("c", "d"),)
    assert ended.winners == ("b",)


def test_so_many_ties_that_they_are_not_all_followed_are_a_tie_of_all_that_stand() -> None:
    ended = runoff("abcdef", [tuple(name) for name in "abcdef"], most=3)
    assert ended.winners == tuple("abcdef") and len(ended.rounds) == 3


def test_exhausted_ballots_are_counted_in_every_round() -> None:
    ended = runoff("abc", rankings((4, "a"), (3, "b"), (2, "c")))
    assert [each.exhausted for each in ended.rounds] == [0, 2]


# --- reference ----------------------------------------------------------------------------------------------


def possible(standing: frozenset[str], ballots: list[tuple[str, ...]]) -> set[str]:
    """Everybody who wins if of several that are last any one may be eliminated: always one, and down to one."""
    if len(standing) == 1:
        return set(standing)
    firsts = Counter(dict.fromkeys(standing, 0))
    firsts.update(left[0] for each in ballots if (left := [name for name in each if name in standing]))
    fewest = min(firsts.values())
    return set().union(
        *(possible(standing - {name}, ballots) for name, count in firsts.items() if count == fewest)
    )


@given(
    st.lists(st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple), min_size=1, max_size=12)
)
def test_the_winners_are_those_of_every_order_of_elimination(ballots: list[tuple[str, ...]]) -> None:
    assert set(runoff(NAMES, ballots).winners) == possible(frozenset(NAMES), ballots)


@given(
    st.lists(st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple), min_size=1, max_size=12)
)
def test_every_round_accounts_for_every_ballot(ballots: list[tuple[str, ...]]) -> None:
    for each in runoff(NAMES, ballots).rounds:
        assert sum(each.counts.values()) + each.exhausted == len(ballots)
