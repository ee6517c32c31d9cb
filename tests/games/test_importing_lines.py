import gzip

import pytest

from games.importing import BadLine
from games.importing.lines import MAX_LINE_BYTES, LineFile, require_length


def read(path):
    with LineFile(path) as file:
        return list(file)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_are_numbered_and_bare_whatever_ends_them(tmp_path, pack):
    path = tmp_path / "rounds.csv"  # gzip is recognised by its first bytes, not by its name
    path.write_bytes(pack("\ufeffa\r\nb\n\nc".encode()))
    assert read(path) == [(1, "a"), (2, "b"), (3, ""), (4, "c")]


def test_a_plain_file_may_be_called_gz(tmp_path):
    path = tmp_path / "rounds.csv.gz"
    path.write_bytes(b"a\n")
    assert read(path) == [(1, "a")]


def test_bytes_that_are_not_utf_8_stop_nothing(tmp_path):
    path = tmp_path / "rounds.csv"
    path.write_bytes(b"a\xff\nb\n")
    assert read(path) == [(1, "a\N{REPLACEMENT CHARACTER}"), (2, "b")]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_line_of_the_greatest_length_is_whole(tmp_path, ending):
    path = tmp_path / "rounds.csv"
    path.write_bytes(b"a" * MAX_LINE_BYTES + ending + b"b")
    assert read(path) == [(1, "a" * MAX_LINE_BYTES), (2, "b")]
    require_length("a" * MAX_LINE_BYTES)


def test_an_overlong_line_is_cut_and_rejected_and_the_next_is_found(tmp_path):
    path = tmp_path / "rounds.csv"
    path.write_bytes(b"a" * (3 * MAX_LINE_BYTES + 7) + b"\nb\n")
    (_, long), after = read(path)
    assert (len(long), after) == (MAX_LINE_BYTES + 1, (2, "b"))
    with pytest.raises(BadLine) as error:
        require_length(long)
    assert str(error.value) == "The line is longer than 65536 bytes."


def test_progress_counts_the_bytes_of_the_file_on_disk(tmp_path):
    path = tmp_path / "rounds.csv"
    path.write_bytes(gzip.compress(b"a\n" * 100_000))
    with LineFile(path) as file:
        assert len(list(file)) == 100_000
        assert file.bytes_read == file.size == path.stat().st_size
