"""Pub/sub on a real server: delivery, failures of callbacks and of the server, and shutdown without leftovers."""

import os
import queue
import threading
import time
from contextlib import closing

import pytest

from cachecore import pubsub
from cachecore.pubsub.connection import WakeupPipe
from cachecore.pubsub.listener import backoff_seconds
from cachecore.pubsub.registry import Message
from cachecore.pubsub.service import PubSub
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable

NO_REDIS = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
LIMIT = 10.0  # seconds that a test waits for anything


class Inbox(queue.Queue):
    """A callback that stores the messages that it receives."""

    __hash__ = object.__hash__

    def __call__(self, message: Message) -> None:
        self.put(message)

    def next(self) -> Message:
        return self.get(timeout=LIMIT)

    def all(self) -> list[Message]:
        return [self.get_nowait() for _ in range(self.qsize())]


@pytest.fixture
def service():
    service = PubSub(heartbeat_seconds=0.1, reply_timeout_seconds=0.2)
    yield service
    service.close()
    assert listeners() == []


def listeners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "cachecore-pubsub"]


def subscribers(channel: str) -> int:
    with connections.guarded_client("state") as client:
        return client.pubsub_numsub(channel)[0][1]


def until(condition) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"


def republish(service: PubSub, inbox: Inbox, data) -> Message:
    """Publish until a message is received: how long reconnecting takes depends on the backoff."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            if service.publish("news", data):
                return inbox.next()
        except RedisUnavailable:
            continue
    raise AssertionError("no subscriber received a message")


# Delivery --------------------------------------------------------------------------------------------------------


def test_a_message_reaches_every_callback_of_its_channel_in_order(service):
    inboxes = [Inbox() for _ in range(3)]
    for one in inboxes:
        service.subscribe("news", one)
    other = Inbox()
    service.subscribe("other", other)
    assert service.ready(LIMIT)
    for number in range(100):
        assert service.publish("news", {"number": number}) == 1  # one connection, however many callbacks
    expected = [Message("news", {"number": number}) for number in range(100)]
    assert [[one.next() for _ in range(100)] for one in inboxes] == [expected] * 3
    assert other.empty()
    assert service.counts == {"received": 100}


@pytest.mark.parametrize("data", [None, 0, "", [], {"a": [1.5, None, True]}, "\u2713 \n", "x" * 1_000_000], ids=repr)
def test_any_json_value_arrives_as_it_was_sent(service, data):
    inbox = Inbox()
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    service.publish("news", data)
    assert inbox.next() == Message("news", data)


def test_a_value_that_is_not_json_is_rejected(service):
    with pytest.raises(TypeError, match="object"):
        service.publish("news", object())


def test_without_redis_publishing_raises(service, valkey):
    valkey.stop()
    with pytest.raises(RedisUnavailable):
        service.publish("news", 1)


def test_a_pattern_receives_its_channels_messages_with_their_channel(service):
    inbox, exact = Inbox(), Inbox()
    service.psubscribe("games:*", inbox)
    service.subscribe("games:1", exact)
    assert service.ready(LIMIT)
    for channel in ("games:1", "rates:1", "games:2"):
        service.publish(channel, 7)
    assert [inbox.next() for _ in range(2)] == [Message("games:1", 7, "games:*"), Message("games:2", 7, "games:*")]
    assert exact.next() == Message("games:1", 7)
    assert service.punsubscribe("games:*")
    assert service.ready(LIMIT)
    service.publish("games:1", 8)
    assert exact.next() == Message("games:1", 8)
    assert inbox.empty()


def test_the_same_callback_is_called_once(service):
    inbox = Inbox()
    for _ in range(2):
        service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    service.publish("news", 1)
    service.publish("news", 2)
    assert [inbox.next().data for _ in range(2)] == [1, 2]


def test_unsubscribing_returns_whether_it_was_subscribed(service):
    one, other = Inbox(), Inbox()
    service.subscribe("news", one)
    service.subscribe("news", other)
    assert [service.unsubscribe("news", one) for _ in range(2)] == [True, False]
    assert service.ready(LIMIT)
    service.publish("news", 1)
    assert other.next().data == 1
    assert one.empty()
    assert [service.unsubscribe("news") for _ in range(2)] == [True, False]
    assert service.unsubscribe("never") is False
    assert service.punsubscribe("news") is False
    assert service.ready(LIMIT)
    assert subscribers("news") == 0


def test_a_callback_may_subscribe_and_unsubscribe(service):
    inbox = Inbox()

    def once(message):
        service.unsubscribe("news", once)
        service.subscribe("more", inbox)
        inbox(message)

    service.subscribe("news", once)
    assert service.ready(LIMIT)
    service.publish("news", 1)
    assert inbox.next().channel == "news"
    assert service.ready(LIMIT)
    assert service.publish("news", 2) == 0
    service.publish("more", 3)
    assert inbox.next() == Message("more", 3)


def test_many_threads_subscribe_at_once(service):
    inboxes = [Inbox() for _ in range(40)]
    threads = [threading.Thread(target=service.subscribe, args=(f"news:{i % 8}", inboxes[i])) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert service.ready(LIMIT)
    assert len(listeners()) == 1
    for channel in range(8):
        assert service.publish(f"news:{channel}", channel) == 1
    assert [one.next().data for one in inboxes] == [i % 8 for i in range(40)]


# Failures of callbacks -------------------------------------------------------------------------------------------


def test_a_failing_callback_does_not_affect_the_others(service, caplog):
    def failing(message):
        raise RuntimeError("the callback failed")

    inbox = Inbox()
    service.subscribe("news", failing)
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    for number in range(3):
        service.publish("news", number)
    assert [inbox.next().data for _ in range(3)] == [0, 1, 2]
    assert service.counts == {"received": 3, "callback_errors": 3}
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [str(record.exc_info[1]) for record in errors] == ["the callback failed"] * 3


def test_a_message_that_is_not_json_is_dropped_and_counted(service):
    inbox = Inbox()
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    with connections.guarded_client("state") as client:
        client.publish("news", b"\xff{")
    service.publish("news", 1)
    assert inbox.next() == Message("news", 1)
    assert service.counts == {"received": 2, "unreadable": 1}


def test_a_slow_callback_delays_messages_and_loses_none():
    gate, entered, inbox = threading.Event(), threading.Event(), Inbox()

    def slow(message):
        entered.set()
        assert gate.wait(LIMIT)
        inbox(message)

    with closing(PubSub(slow_seconds=0.0)) as service:
        service.subscribe("news", slow)
        assert service.ready(LIMIT)
        service.publish("news", 0)
        assert entered.wait(LIMIT)
        for number in range(1, 200):  # buffered by the socket and the server, not by this process
            service.publish("news", "x" * 5_000 + str(number))
        gate.set()
        assert [str(inbox.next().data).lstrip("x") for _ in range(200)] == [str(number) for number in range(200)]
        until(lambda: service.counts["slow"] == 200)
        assert service.counts["gaps"] == 0


def test_a_subscriber_disconnected_by_the_server_reconnects_and_counts_a_gap(service, valkey):
    gate, entered, inbox = threading.Event(), threading.Event(), Inbox()

    def slow(message):
        entered.set()
        assert gate.wait(LIMIT)
        inbox(message)

    service.subscribe("news", slow)
    assert service.ready(LIMIT)
    with connections.guarded_client("state") as client:
        before = client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
        client.config_set("client-output-buffer-limit", "pubsub 1048576 0 0")
        service.publish("news", "first")
        assert entered.wait(LIMIT)
        until(lambda: service.publish("news", "x" * 500_000) == 0)  # the server has closed the connection
        client.config_set("client-output-buffer-limit", before)
    gate.set()
    assert inbox.next().data == "first"
    until(lambda: service.publish("news", "after the gap") == 1)
    until(lambda: inbox.next().data == "after the gap")
    assert service.counts["gaps"] == 1


# Failures of the server ------------------------------------------------------------------------------------------


def test_the_backoff_is_linear_up_to_two_seconds():
    assert [backoff_seconds(n) for n in (1, 2, 3, 39, 40, 41, 1000)] == pytest.approx([0.05, 0.1, 0.15, 1.95, 2, 2, 2])


def test_it_subscribes_again_after_the_server_restarted(service, valkey):
    inbox, by_pattern = Inbox(), Inbox()
    service.subscribe("news", inbox)
    service.psubscribe("n*", by_pattern)
    assert service.ready(LIMIT)
    valkey.stop()
    until(lambda: not service.ready(0))
    late = Inbox()
    service.subscribe("late", late)  # while there is no server
    valkey.start()
    assert service.ready(LIMIT)
    assert republish(service, inbox, 2) == Message("news", 2)
    assert by_pattern.next() == Message("news", 2, "n*")
    service.publish("late", 3)
    assert late.next() == Message("late", 3)
    assert service.counts["gaps"] == 1
    assert subscribers("news") == 1


def test_it_detects_a_hung_server_and_subscribes_again_when_it_is_back(service, valkey):
    inbox = Inbox()
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    valkey.pause()
    until(lambda: not service.ready(0))
    valkey.resume()
    assert service.ready(LIMIT)
    assert republish(service, inbox, 2) == Message("news", 2)
    assert service.counts["gaps"] == 1


def test_an_idle_connection_is_kept_alive_by_pings(service):
    inbox = Inbox()
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    with connections.guarded_client("state") as client:
        pings = lambda: client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)  # noqa: E731
        before = pings()
        until(lambda: pings() >= before + 3)
    service.publish("news", 1)
    assert inbox.next().data == 1
    assert service.counts["gaps"] == 0


def test_a_subscription_without_a_server_takes_effect_once_it_is_up(service, valkey):
    valkey.stop()
    inbox = Inbox()
    service.subscribe("news", inbox)
    assert not service.ready(0.05)
    valkey.start()
    assert service.ready(LIMIT)
    assert republish(service, inbox, 1) == Message("news", 1)


# Shutdown ---------------------------------------------------------------------------------------------------------


def test_a_wrong_setting_does_not_end_the_thread(service, settings, caplog):
    right, settings.CACHES = settings.CACHES, {"default": NO_REDIS}
    service.subscribe("a", Inbox())
    until(lambda: "pub/sub has no connection and misses messages until it has" in caplog.text)
    settings.CACHES = right
    assert service.ready(LIMIT)


def test_there_is_no_thread_before_the_first_subscription_and_none_after_closing(service):
    assert listeners() == []
    service.publish("news", 1)
    assert listeners() == []
    service.subscribe("news", Inbox())
    assert service.ready(LIMIT)
    (thread,) = listeners()
    assert thread.daemon
    for _ in range(2):
        service.close()
    assert not thread.is_alive()
    assert subscribers("news") == 0


def test_closing_takes_no_time_while_the_server_hangs(service, valkey):
    service.subscribe("news", Inbox())
    assert service.ready(LIMIT)
    valkey.pause()
    until(lambda: not service.ready(0))
    started = time.monotonic()
    service.close()
    assert time.monotonic() - started < 2.0
    assert listeners() == []


def test_a_callback_may_close_and_a_closed_service_can_be_used_again(service):
    closed, inbox = threading.Event(), Inbox()

    def closing(message):
        service.close()
        closed.set()

    service.subscribe("news", closing)
    assert service.ready(LIMIT)
    service.publish("news", 1)
    assert closed.wait(LIMIT)
    until(lambda: listeners() == [])
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    service.publish("news", 2)
    assert inbox.next() == Message("news", 2)


def test_waking_a_reader_that_does_not_read_does_not_block():
    wakeup = WakeupPipe()
    for _ in range(100_000):
        wakeup.wake()
    assert wakeup.drain()
    wakeup.close()
    wakeup.wake()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 on
def test_a_forked_child_has_a_connection_of_its_own(service):
    inbox = Inbox()
    service.subscribe("news", inbox)
    assert service.ready(LIMIT)
    inherited = service._listener._connection._connection._get_socket().fileno()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = b"failed"
        try:
            outcome = _in_the_child(service, inbox, inherited)
        finally:
            os.write(writes, outcome)
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        outcome = pipe.read()
    os.waitpid(child, 0)
    assert outcome == b"no thread, no socket, then one of its own, 2 connections, received"
    until(lambda: subscribers("news") == 1)
    service.publish("news", "still here")
    until(lambda: inbox.next().data == "still here")
    assert service.counts["gaps"] == 0


def _in_the_child(service: PubSub, inbox: Inbox, inherited: int) -> bytes:
    found = "no thread" if not listeners() and not service.ready(0) else "a thread"
    try:
        os.fstat(inherited)
    except OSError:
        found += ", no socket"
    service.start()
    found += ", then one of its own" if service.ready(LIMIT) and len(listeners()) == 1 else ", then none"
    found += f", {service.publish('news', 'from the child')} connections"
    found += ", received" if inbox.next().data == "from the child" else ", another message"
    service.close()
    return found.encode()


def test_the_process_wide_service_can_be_closed(service):
    inbox = Inbox()
    pubsub.subscribe("news", inbox)
    assert pubsub.ready(LIMIT)
    pubsub.publish("news", 1)
    assert inbox.next().data == 1
    assert pubsub.unsubscribe("news", inbox)
    pubsub.close()
    assert listeners() == []
