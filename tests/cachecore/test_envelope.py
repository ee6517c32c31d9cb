"""The stored form of a value: encoding, compression, encryption, expiry."""

import msgspec
import pytest
import zstandard
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from cachecore.keys import CacheOptions, Family
from cachecore.storage import encryption, expiry
from cachecore.storage import envelope as envelopes
from cachecore.storage.envelope import HEADER_BYTES, NOT_FOUND, Envelope, Payload, Times
from cachecore.storage.expiry import Freshness

FERNET_KEYS = [Fernet.generate_key().decode() for _ in range(2)]


def family(name, **options):
    return Family(
        name=name,
        pattern=f"{name}:{{id}}",
        role="cache",
        type="string",
        ttl_seconds=60,
        holds="a value of a test",
        written_by="a test",
        purged_by="its TTL",
        options=CacheOptions(**options),
    )


PLAIN = family("envelope-plain")
ENCRYPTED = family("envelope-encrypted", encrypted=True)
TIMES = Times(1_000_000, 10, 20, 0.5)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def stored(kind, value, tags=()):
    return envelopes.seal(kind.key(id=1), envelopes.pack(kind, value), TIMES, dict(tags))


def read(kind, data):
    payload = envelopes.open_payload(kind.key(id=1), envelopes.parse(data))
    return envelopes.unpack(kind, payload)


@given(values)
def test_a_value_is_unchanged_by_storing(value):
    assert read(PLAIN, stored(PLAIN, value)) == value


def test_an_envelope_contains_times_compute_seconds_and_tags():
    envelope = envelopes.parse(stored(PLAIN, "x", {"a": b"12345678"}))
    assert (envelope.stored_ms, envelope.soft_ms, envelope.hard_ms) == (1_000_000, 1_010_000, 1_020_000)
    assert (envelope.compute_seconds, envelope.tags) == (0.5, {"a": b"12345678"})


def test_two_stored_values_have_different_headers():
    one, other = stored(PLAIN, "x"), stored(PLAIN, "x")
    assert one[:HEADER_BYTES] != other[:HEADER_BYTES]
    assert one[HEADER_BYTES:] == other[HEADER_BYTES:]


def test_a_value_is_compressed_only_if_that_makes_it_smaller():
    import random

    repeating, noise = "x" * 5_000, random.Random(1).randbytes(5_000)
    assert len(stored(PLAIN, repeating)) < 200
    assert envelopes.parse(stored(PLAIN, repeating)).flags == encryption.COMPRESSED
    assert envelopes.parse(stored(PLAIN, noise)).flags == 0
    assert envelopes.parse(stored(PLAIN, "x" * 1_000)).flags == 0  # below 1 KiB
    assert (read(PLAIN, stored(PLAIN, repeating)), read(PLAIN, stored(PLAIN, noise))) == (repeating, noise)


def test_a_body_that_would_decompress_beyond_the_limit_is_refused():
    bomb = zstandard.ZstdCompressor().compress(bytes(encryption.MAX_OPENED_BYTES + 1))
    assert encryption.unseal(PLAIN.key(id=1), encryption.COMPRESSED, bomb) is None
    without_size = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10))
    assert encryption.unseal(PLAIN.key(id=1), encryption.COMPRESSED, without_size) is None  # not written by us


def test_a_value_may_have_a_million_bytes_before_compression():
    fits = b"x" * (envelopes.MAX_VALUE_BYTES - 5)  # plus five of msgpack
    assert read(PLAIN, stored(PLAIN, fits)) == fits
    with pytest.raises(envelopes.ValueTooLarge, match="has 1,000,001 bytes; at most 1,000,000 are allowed"):
        stored(PLAIN, fits + b"x")


def test_not_found_is_neither_none_nor_empty():
    assert read(PLAIN, stored(PLAIN, NOT_FOUND)) is NOT_FOUND
    assert (bool(NOT_FOUND), repr(NOT_FOUND)) == (False, "NOT_FOUND")


@pytest.mark.parametrize(
    "data", [b"", b"12", b"\x80", b'{"a": 1}', b"\xc1\x01", b"\xc1\x01" + b"x" * 30, b"\xc1\x02" + b"x" * 30]
)
def test_bytes_of_another_format_or_release_are_not_parsed(data):
    assert envelopes.parse(data) is None


@given(st.integers(0, 120), st.integers(0, 255))
def test_damaged_bytes_never_raise(position, byte):
    data = bytearray(stored(PLAIN, ["x" * 2_000, 1], {"a": b"12345678"}))
    data[position % len(data)] = byte
    envelope = envelopes.parse(bytes(data))
    if envelope is not None:
        envelopes.open_payload(PLAIN.key(id=1), envelope)


def test_an_encrypted_family_opens_only_values_encrypted_for_their_key(settings):
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[:1]
    secret = stored(ENCRYPTED, "secret " * 500)
    assert b"secret" not in secret
    assert read(ENCRYPTED, secret) == "secret " * 500
    found = envelopes.parse(stored(ENCRYPTED, NOT_FOUND))
    assert envelopes.open_payload(ENCRYPTED.key(id=1), found) == Payload(b"", negative=True)
    assert envelopes.open_payload(ENCRYPTED.key(id=2), found) is None  # another key's NOT_FOUND
    negated = msgspec.structs.replace(envelopes.parse(secret), negative=True)
    assert envelopes.open_payload(ENCRYPTED.key(id=1), negated) is None
    unbound = Fernet(FERNET_KEYS[0]).encrypt(msgspec.msgpack.encode("of an older release"))
    assert encryption.unseal(ENCRYPTED.key(id=1), encryption.ENCRYPTED, unbound) is None
    clear = envelopes.parse(stored(PLAIN, "x"))
    assert envelopes.open_payload(ENCRYPTED.key(id=1), clear) is None  # stored before the family was encrypted
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[1:]
    assert envelopes.open_payload(ENCRYPTED.key(id=1), envelopes.parse(secret)) is None
    settings.CACHE_ENCRYPTION_KEYS = []
    assert envelopes.open_payload(ENCRYPTED.key(id=1), envelopes.parse(secret)) is None
    with pytest.raises(encryption.EncryptionKeyMissing):
        stored(ENCRYPTED, "x")


def aged(soft_ms=10_000, hard_ms=20_000, compute_seconds=0.5):
    return Envelope(0, soft_ms, hard_ms, compute_seconds, {}, False, 0, msgspec.msgpack.encode("x"))


@pytest.mark.parametrize(
    ("now_ms", "expected"),
    [
        (0, Freshness.FRESH),
        (9_999, Freshness.FRESH),
        (10_000, Freshness.STALE),
        (19_999, Freshness.STALE),
        (20_000, Freshness.EXPIRED),
    ],
)
def test_a_value_is_fresh_then_stale_then_expired(now_ms, expected):
    assert expiry.classify(aged(), now_ms, beta=0) is expected


def test_xfetch_refreshes_earlier_the_longer_the_computation_took():
    """P(early) at a distance d is exp(-d / (compute * beta)): at 0.5 s, half a second before, 1/e of the callers."""
    draws = [(index + 0.5) / 10_000 for index in range(10_000)]
    for distance_ms, beta, expected in [(500, 1.0, 0.3679), (1_000, 1.0, 0.1353), (1_000, 2.0, 0.3679), (500, 0, 0.0)]:
        drawn = [expiry.classify(aged(), 10_000 - distance_ms, beta, lambda draw=draw: draw) for draw in draws]
        assert drawn.count(Freshness.EARLY) / len(draws) == pytest.approx(expected, abs=2e-4)


def test_a_value_computed_in_no_time_is_not_refreshed_early():
    assert expiry.classify(aged(compute_seconds=0.0), 9_999, 1.0, lambda: 0.999999) is Freshness.FRESH
