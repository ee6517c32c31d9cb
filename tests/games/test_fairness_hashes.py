import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.fairness import MalformedHash, normalise_hash

HEX = "0123456789abcdef"


def test_an_upper_case_hash_is_the_same_hash():
    assert normalise_hash("AB" * 32) == "ab" * 32


@given(st.text(alphabet=HEX, max_size=130).filter(lambda text: len(text) != 64))
def test_any_other_length_is_rejected_and_reported(text):
    with pytest.raises(MalformedHash) as caught:
        normalise_hash(text)
    assert str(caught.value) == f"expected 64 hexadecimal digits, got {len(text)}"


@given(st.integers(0, 63), st.characters().filter(lambda c: c not in "0123456789abcdefABCDEF"))
def test_any_other_character_is_rejected_with_its_position(index, stranger):
    with pytest.raises(MalformedHash) as caught:
        normalise_hash("a" * index + stranger + "a" * (63 - index))
    message = f"expected 64 hexadecimal digits, found {stranger!r} at position {index + 1}"
    assert str(caught.value) == message


# What int(text, 16) and bytes.fromhex would have taken, and what a `$` in the pattern would.
@pytest.mark.parametrize(
    "text",
    [
        "0x" + "a" * 62,
        "+" + "a" * 63,
        "a_" * 31 + "aa",
        "a" * 63 + "\n",
        " " + "a" * 63,
        "\N{ARABIC-INDIC DIGIT ONE}" * 64,
        "\N{FULLWIDTH DIGIT ONE}" * 64,
    ],
)
def test_what_other_parsers_accept_is_rejected(text):
    assert len(text) == 64
    with pytest.raises(MalformedHash):
        normalise_hash(text)


def test_a_hash_with_a_line_end_is_not_cut_to_size():
    with pytest.raises(MalformedHash, match=r"^expected 64 hexadecimal digits, got 65$"):
        normalise_hash("a" * 64 + "\n")


@given(st.text(alphabet=HEX + "ABCDEF", min_size=64, max_size=64))
def test_normalising_twice_changes_nothing(text):
    once = normalise_hash(text)
    assert normalise_hash(once) == once == text.lower()
