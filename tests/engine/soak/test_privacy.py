"""Short forms of the soaks of isolation and erasure."""

from __future__ import annotations

from collections import Counter

from memoryos_engine.evaluation.soak.colliding_ids import pairs
from memoryos_engine.evaluation.soak.erasure import erase
from memoryos_engine.evaluation.soak.isolation import collide
from memoryos_engine.evaluation.soak.needles import forms, held


def test_users_whose_ids_collide_see_nothing_of_each_other(tmp_path):
    result = collide(tmp_path, number=13)

    assert result.faults() == {}
    assert (result.pairs, result.memories) == (13, 26)
    assert result.own_markers_seen > 0.9 * result.looks


def test_a_thousand_pairs_are_two_thousand_owners():
    owners = Counter(owner for pair in pairs(1000) for owner in pair)

    assert (len(owners), set(owners.values())) == (2000, {1})


def test_after_deleting_and_vacuum_no_file_holds_a_byte_of_it(tmp_path):
    result = erase(tmp_path, users=4, writes=1100)

    assert result.faults() == {}
    assert (result.purged, result.pages_forgotten, result.sessions_forgotten) == (1, 1, 1)
    assert result.needles_before > 20
    assert result.needles_deleted_but_not_vacuumed > 0  # else vacuum had nothing to do


def test_a_word_is_found_in_every_form_it_may_lie_in(tmp_path):
    text = "zebra-fish \u0436\u0443\u043a\u0438\u0436\u0443\u043a"
    for name, data in (
        ("a", text.encode()),
        ("b", text.encode("utf-16-le")),
        ("c", b'"zebra-fish \\u0436\\u0443\\u043a\\u0438\\u0436\\u0443\\u043a"'),
        ("d", b"zebra-fish alone"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "file").write_bytes(b"\0" * 5 + data)
        assert held(folder, forms(text)) != set()
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "file").write_bytes(b"zebra fish")
    assert held(tmp_path / "e", forms(text)) == set()
