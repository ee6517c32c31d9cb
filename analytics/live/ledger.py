"""The binary format of the ledger: 4096 games per chunk, 12 bytes per game. Pure: no Redis."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from analytics.columns import Columns, Integers
from analytics.live.keys import CHUNK_GAMES

# Six big-endian bytes each: crash point in hundredths (0 = no game here), end time in ms (0 = unknown).
RECORD = np.dtype([("crash_high", ">u2"), ("crash_low", ">u4"), ("end_high", ">u2"), ("end_low", ">u4")])


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """The index entry of a chunk: exact counts, and bounds that enclose every known end time of the chunk."""

    games: int
    timed: int
    min_end_ms: int
    max_end_ms: int

    @classmethod
    @lru_cache(maxsize=4096)  # a view has hundreds of chunks, and only the newest one changes
    def parse(cls, text: bytes) -> "ChunkSummary":
        return cls(*map(int, text.split()))

    def __str__(self) -> str:
        return f"{self.games} {self.timed} {self.min_end_ms} {self.max_end_ms}"

    def overlaps(self, from_ms: int, to_ms: int) -> bool:
        return self.timed > 0 and self.max_end_ms >= from_ms and self.min_end_ms < to_ms


def decode(chunks: Mapping[int, bytes]) -> Columns:
    """Return the games of these chunks (number -> bytes), in id order."""
    return Columns.concatenate([_decode_chunk(number, data) for number, data in sorted(chunks.items())])


def encode(columns: Columns) -> dict[int, bytes]:
    """Return the chunks that hold these games (number -> bytes). A chunk ends with its last game."""
    return {number: _encode_chunk(part) for number, part in _by_chunk(columns)}


def summaries(columns: Columns) -> dict[int, ChunkSummary]:
    """Return the index entry of every chunk that holds these games, by chunk number."""
    return {number: _summarize(part) for number, part in _by_chunk(columns)}


def differing_ids(one: Columns, other: Columns) -> Integers:
    """Return the ids that only one of them holds, or that both hold with different values."""
    ids = np.union1d(one.ids, other.ids)
    return ids[np.any(_values_at(one, ids) != _values_at(other, ids), axis=0)]


def _by_chunk(columns: Columns) -> Iterator[tuple[int, Columns]]:
    numbers, starts = np.unique(columns.ids // CHUNK_GAMES, return_index=True)
    bounds = [*starts.tolist(), len(columns)]
    for number, (start, end) in zip(numbers.tolist(), pairwise(bounds), strict=True):
        part = slice(start, end)
        yield number, Columns(columns.ids[part], columns.crash[part], columns.end_ms[part])


def _values_at(columns: Columns, ids: Integers) -> Integers:
    """Return crash points and end times at these ids; zero where the columns have no such game."""
    values = np.zeros((2, len(ids)), dtype=np.int64)
    values[:, np.searchsorted(ids, columns.ids)] = columns.crash, columns.end_ms
    return values


def _decode_chunk(number: int, data: bytes) -> Columns:
    records = np.frombuffer(data, dtype=RECORD, count=len(data) // RECORD.itemsize)
    crash = _combine_halves(records["crash_high"], records["crash_low"])
    present = np.flatnonzero(crash)
    return Columns(
        present.astype(np.int64) + number * CHUNK_GAMES,
        crash[present],
        _combine_halves(records["end_high"], records["end_low"])[present],
    )


def _encode_chunk(columns: Columns) -> bytes:
    offsets = columns.ids % CHUNK_GAMES
    records = np.zeros(int(offsets[-1]) + 1, dtype=RECORD)
    records["crash_high"][offsets], records["crash_low"][offsets] = (
        columns.crash >> 32,
        columns.crash & 0xFFFFFFFF,
    )
    records["end_high"][offsets], records["end_low"][offsets] = (
        columns.end_ms >> 32,
        columns.end_ms & 0xFFFFFFFF,
    )
    return records.tobytes()


def _combine_halves(high: np.ndarray, low: np.ndarray) -> Integers:
    return (high.astype(np.int64) << 32) | low.astype(np.int64)


def _summarize(columns: Columns) -> ChunkSummary:
    times = columns.end_ms[columns.timed()]
    if not len(times):
        return ChunkSummary(len(columns), 0, 0, 0)
    return ChunkSummary(len(columns), len(times), int(times.min()), int(times.max()))
