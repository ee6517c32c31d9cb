"""Pub/sub on a real server: delivery, failures of callbacks and of the server, and nothing left behind."""

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
LIMIT = 10.0  # seconds, for anything a test waits for


class Heard(queue.Queue):
    """A callback that keeps what it was told."""

    __hash__ = object.__hash__

    def __call__(self, message: Message) -> None:
        self.put(message)

    def next(self) -> Message:
        return self.get(timeout=LIMIT)

    def all(self) -> list[Message]:
        return [self.get_nowait() for _ in range(self.qsize())]


@pytest.fixture
def service():
    service = PubSub(heartbeat_seconds=0.1, answer_seconds=0.2)
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
        assert time.monotonic() < deadline, "it did not come about in time"


def republish(service: PubSub, heard: Heard, data) -> Message:
    """Publish until it is heard: how long the way back takes is the backoff's business."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            if service.publish("news", data):
                return heard.next()
        except RedisUnavailable:
            continue
    raise AssertionError("nobody listens again")


# Delivery --------------------------------------------------------------------------------------------------------


def test_a_message_reaches_every_callback_of_its_channel_in_order(service):
    heard = [Heard() for _ in range(3)]
    for one in heard:
        service.subscribe("news", one)
    other = Heard()
    service.subscribe("other", other)
    assert service.ready(LIMIT)
    for number in range(100):
        assert service.publish("news", {"number": number}) == 1  # one connection, however many callbacks
    expected = [Message("news", {"number": number}) for number in range(100)]
    assert [[one.next() for _ in range(100)] for one in heard] == [expected] * 3
    assert other.empty()
    assert service.counts == {"received": 100}


@pytest.mark.parametrize("data", [None, 0, "", [], {"a": [1.5, None, True]}, "\u2713 \n", "x" * 1_000_000], ids=repr)
def test_any_json_value_arrives_as_it_was_sent(service, data):
    heard = Heard()
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    service.publish("news", data)
    assert heard.next() == Message("news", data)


def test_what_json_cannot_say_is_refused_by_the_publisher(service):
    with pytest.raises(TypeError, match="object"):
        service.publish("news", object())


def test_a_publisher_without_redis_is_told(service, valkey):
    valkey.stop()
    with pytest.raises(RedisUnavailable):
        service.publish("news", 1)


def test_a_pattern_hears_its_channels_and_says_which(service):
    heard, exact = Heard(), Heard()
    service.psubscribe("games:*", heard)
    service.subscribe("games:1", exact)
    assert service.ready(LIMIT)
    for channel in ("games:1", "rates:1", "games:2"):
        service.publish(channel, 7)
    assert [heard.next() for _ in range(2)] == [Message("games:1", 7, "games:*"), Message("games:2", 7, "games:*")]
    assert exact.next() == Message("games:1", 7)
    assert service.punsubscribe("games:*")
    assert service.ready(LIMIT)
    service.publish("games:1", 8)
    assert exact.next() == Message("games:1", 8)
    assert heard.empty()


def test_the_same_callback_is_called_once(service):
    heard = Heard()
    for _ in range(2):
        service.subscribe("news", heard)
    assert service.ready(LIMIT)
    service.publish("news", 1)
    service.publish("news", 2)
    assert [heard.next().data for _ in range(2)] == [1, 2]


def test_unsubscribing_says_whether_it_was_there(service):
    one, other = Heard(), Heard()
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
    heard = Heard()

    def once(message):
        service.unsubscribe("news", once)
        service.subscribe("more", heard)
        heard(message)

    service.subscribe("news", once)
    assert service.ready(LIMIT)
    service.publish("news", 1)
    assert heard.next().channel == "news"
    assert service.ready(LIMIT)
    assert service.publish("news", 2) == 0
    service.publish("more", 3)
    assert heard.next() == Message("more", 3)


def test_many_threads_subscribe_at_once(service):
    heard = [Heard() for _ in range(40)]
    threads = [threading.Thread(target=service.subscribe, args=(f"news:{i % 8}", heard[i])) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert service.ready(LIMIT)
    assert len(listeners()) == 1
    for channel in range(8):
        assert service.publish(f"news:{channel}", channel) == 1
    assert [one.next().data for one in heard] == [i % 8 for i in range(40)]


# Failures of callbacks -------------------------------------------------------------------------------------------


def test_a_failing_callback_harms_no_other(service, caplog):
    def failing(message):
        raise RuntimeError("of the callback")

    heard = Heard()
    service.subscribe("news", failing)
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    for number in range(3):
        service.publish("news", number)
    assert [heard.next().data for _ in range(3)] == [0, 1, 2]
    assert service.counts == {"received": 3, "callback_errors": 3}
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [str(record.exc_info[1]) for record in errors] == ["of the callback"] * 3


def test_a_message_that_is_not_json_is_dropped_and_counted(service):
    heard = Heard()
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    with connections.guarded_client("state") as client:
        client.publish("news", b"\xff{")
    service.publish("news", 1)
    assert heard.next() == Message("news", 1)
    assert service.counts == {"received": 2, "unreadable": 1}


def test_a_slow_callback_makes_the_server_wait_and_nothing_is_lost():
    gate, entered, heard = threading.Event(), threading.Event(), Heard()

    def slow(message):
        entered.set()
        assert gate.wait(LIMIT)
        heard(message)

    with closing(PubSub(slow_seconds=0.0)) as service:
        service.subscribe("news", slow)
        assert service.ready(LIMIT)
        service.publish("news", 0)
        assert entered.wait(LIMIT)
        for number in range(1, 200):  # kept by the socket and the server, not by this process
            service.publish("news", "x" * 5_000 + str(number))
        gate.set()
        assert [str(heard.next().data).lstrip("x") for _ in range(200)] == [str(number) for number in range(200)]
        until(lambda: service.counts["slow"] == 200)
        assert service.counts["gaps"] == 0


def test_a_subscriber_that_the_server_gives_up_comes_back_and_the_gap_is_counted(service, valkey):
    gate, entered, heard = threading.Event(), threading.Event(), Heard()

    def slow(message):
        entered.set()
        assert gate.wait(LIMIT)
        heard(message)

    service.subscribe("news", slow)
    assert service.ready(LIMIT)
    with connections.guarded_client("state") as client:
        before = client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
        client.config_set("client-output-buffer-limit", "pubsub 1048576 0 0")
        service.publish("news", "first")
        assert entered.wait(LIMIT)
        until(lambda: service.publish("news", "x" * 500_000) == 0)  # the server has ended the connection
        client.config_set("client-output-buffer-limit", before)
    gate.set()
    assert heard.next().data == "first"
    until(lambda: service.publish("news", "after the gap") == 1)
    until(lambda: heard.next().data == "after the gap")
    assert service.counts["gaps"] == 1


# Failures of the server ------------------------------------------------------------------------------------------


def test_the_backoff_is_linear_up_to_two_seconds():
    assert [backoff_seconds(n) for n in (1, 2, 3, 39, 40, 41, 1000)] == pytest.approx([0.05, 0.1, 0.15, 1.95, 2, 2, 2])


def test_it_subscribes_again_after_the_server_restarted(service, valkey):
    heard, by_pattern = Heard(), Heard()
    service.subscribe("news", heard)
    service.psubscribe("n*", by_pattern)
    assert service.ready(LIMIT)
    valkey.stop()
    until(lambda: not service.ready(0))
    late = Heard()
    service.subscribe("late", late)  # while there is no server
    valkey.start()
    assert service.ready(LIMIT)
    assert republish(service, heard, 2) == Message("news", 2)
    assert by_pattern.next() == Message("news", 2, "n*")
    service.publish("late", 3)
    assert late.next() == Message("late", 3)
    assert service.counts["gaps"] == 1
    assert subscribers("news") == 1


def test_it_notices_a_hung_server_and_listens_again_when_that_answers(service, valkey):
    heard = Heard()
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    valkey.pause()
    until(lambda: not service.ready(0))
    valkey.resume()
    assert service.ready(LIMIT)
    assert republish(service, heard, 2) == Message("news", 2)
    assert service.counts["gaps"] == 1


def test_a_quiet_connection_is_kept(service):
    heard = Heard()
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    with connections.guarded_client("state") as client:
        pings = lambda: client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)  # noqa: E731
        before = pings()
        until(lambda: pings() >= before + 3)
    service.publish("news", 1)
    assert heard.next().data == 1
    assert service.counts["gaps"] == 0


def test_subscribing_without_a_server_waits_for_it(service, valkey):
    valkey.stop()
    heard = Heard()
    service.subscribe("news", heard)
    assert not service.ready(0.05)
    valkey.start()
    assert service.ready(LIMIT)
    assert republish(service, heard, 1) == Message("news", 1)


# The end ---------------------------------------------------------------------------------------------------------


def test_a_wrong_setting_ends_no_thread(service, settings, caplog):
    right, settings.CACHES = settings.CACHES, {"default": NO_REDIS}
    service.subscribe("a", Heard())
    until(lambda: "pub/sub has no connection, messages are missed until it has" in caplog.text)
    settings.CACHES = right
    assert service.ready(LIMIT)


def test_there_is_no_thread_before_the_first_subscription_and_none_after_the_end(service):
    assert listeners() == []
    service.publish("news", 1)
    assert listeners() == []
    service.subscribe("news", Heard())
    assert service.ready(LIMIT)
    (thread,) = listeners()
    assert thread.daemon
    for _ in range(2):
        service.close()
    assert not thread.is_alive()
    assert subscribers("news") == 0


def test_the_end_comes_at_once_while_the_server_hangs(service, valkey):
    service.subscribe("news", Heard())
    assert service.ready(LIMIT)
    valkey.pause()
    until(lambda: not service.ready(0))
    started = time.monotonic()
    service.close()
    assert time.monotonic() - started < 2.0
    assert listeners() == []


def test_a_callback_may_close_and_a_closed_service_begins_anew(service):
    closed, heard = threading.Event(), Heard()

    def closing(message):
        service.close()
        closed.set()

    service.subscribe("news", closing)
    assert service.ready(LIMIT)
    service.publish("news", 1)
    assert closed.wait(LIMIT)
    until(lambda: listeners() == [])
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    service.publish("news", 2)
    assert heard.next() == Message("news", 2)


def test_an_alarm_that_nobody_answers_does_not_block():
    alarm = WakeupPipe()
    for _ in range(100_000):
        alarm.ring()
    assert alarm.rung()
    alarm.close()
    alarm.ring()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 on
def test_a_forked_child_has_a_connection_of_its_own(service):
    heard = Heard()
    service.subscribe("news", heard)
    assert service.ready(LIMIT)
    inherited = service._listener._link._connection._get_socket().fileno()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = b"failed"
        try:
            outcome = _in_the_child(service, heard, inherited)
        finally:
            os.write(writes, outcome)
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as answer:
        outcome = answer.read()
    os.waitpid(child, 0)
    assert outcome == b"no thread, no socket, then one of its own, 2 connections, heard"
    until(lambda: subscribers("news") == 1)
    service.publish("news", "still here")
    until(lambda: heard.next().data == "still here")
    assert service.counts["gaps"] == 0


def _in_the_child(service: PubSub, heard: Heard, inherited: int) -> bytes:
    said = "no thread" if not listeners() and not service.ready(0) else "a thread"
    try:
        os.fstat(inherited)
    except OSError:
        said += ", no socket"
    service.start()
    said += ", then one of its own" if service.ready(LIMIT) and len(listeners()) == 1 else ", then none"
    said += f", {service.publish('news', 'from the child')} connections"
    said += ", heard" if heard.next().data == "from the child" else ", deaf"
    service.close()
    return said.encode()


def test_the_service_of_the_process_is_closed_at_its_end(service):
    heard = Heard()
    pubsub.subscribe("news", heard)
    assert pubsub.ready(LIMIT)
    pubsub.publish("news", 1)
    assert heard.next().data == 1
    assert pubsub.unsubscribe("news", heard)
    pubsub.close()
    assert listeners() == []
