"""Client libraries of the event stream receive events only, each with data."""

import json

import httpx
import httpx_sse
import pytest
import sseclient

from analytics.stream import events
from analytics.stream.events import Position, StreamEntry

STREAMS = {
    "first visit": [events.retry(2_500), events.reset("unknown_id"), events.HEARTBEAT, events.HEARTBEAT],
    "resumed without a change": [events.retry(2_500), events.HEARTBEAT, events.HEARTBEAT],
    "degraded": [events.retry(2_500), events.HEARTBEAT, events.degraded(0), events.HEARTBEAT],
}
LAST = events.batch(StreamEntry("epoch", 7))


def received_by_httpx_sse(body):
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=body)
    )
    with httpx.Client(transport=transport) as client, httpx_sse.connect_sse(client, "GET", "http://stream") as source:
        return [(one.event, one.data, one.retry) for one in source.iter_sse()]


def received_by_sseclient(body):
    return [(one.event, one.data, one.retry) for one in sseclient.SSEClient(iter([body])).events()]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("receive", [received_by_httpx_sse, received_by_sseclient])
def test_every_event_has_data_and_the_first_has_the_reconnection_time(receive, name):
    body = b"".join([*STREAMS[name], LAST])
    received = receive(body)
    assert [event for event, _, _ in received] == [
        line.removeprefix("event: ") for line in body.decode().splitlines() if line.startswith("event: ")
    ]
    assert [json.loads(data) for _, data, _ in received][-1]["version"] == 7
    assert int(received[0][2]) == 2_500


def test_the_last_event_has_the_position():
    assert str(Position("epoch", 7)) == "epoch:7"
    assert b"\nid: epoch:7\n" in LAST
