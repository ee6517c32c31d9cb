import asyncio
import json

from config.serving.request_guard import RequestGuard
from tests.cachecore.asgi import send_request


async def echo(scope, receive, send):
    """Respond with the received body and header names."""
    message = await receive()
    names = [name.decode() for name, _ in scope["headers"]]
    body = json.dumps({"body": message["body"].decode(), "headers": names}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def post(app, body=b"", **headers):
    return asyncio.run(send_request(app, method="POST", body=body, **headers))


def test_a_body_arrives_complete():
    assert json.loads(post(RequestGuard(echo, 10), b"0123456789").body)["body"] == "0123456789"


def test_a_longer_body_is_a_413_whether_declared_or_not():
    for headers in ({}, {"content_length": "11"}):
        response = post(RequestGuard(echo, 10), b"01234567890", **headers)
        assert (response.status, json.loads(response.body)) == (
            413,
            {"detail": "The request body is larger than 10 bytes."},
        )


def test_a_length_that_is_no_number_is_a_400():
    assert post(RequestGuard(echo, 10), b"", content_length="ten").status == 400


def test_a_query_that_is_not_ascii_is_a_400():
    response = asyncio.run(send_request(RequestGuard(echo, 10), query="tz=\xe9"))
    assert (response.status, json.loads(response.body)["detail"]) == (
        400,
        "The query string is not ASCII. Percent-encode it.",
    )


def test_a_header_with_an_underscore_cannot_pass_for_one_with_a_dash():
    async def with_underscore():
        async def add_header(scope, receive, send):
            scope["headers"].append((b"x_forwarded_proto", b"https"))
            await RequestGuard(echo, 10)(scope, receive, send)

        return await send_request(add_header)

    assert json.loads(asyncio.run(with_underscore()).body)["headers"] == ["host"]


def test_a_charset_other_than_utf_8_is_a_415():
    response = post(RequestGuard(echo, 10), b"{}", content_type="application/json; charset=utf-16")
    assert (response.status, json.loads(response.body)) == (415, {"detail": "The charset must be UTF-8."})
    assert post(RequestGuard(echo, 10), b"{}", content_type='application/json; charset="UTF-8"').status == 200


def test_the_type_of_an_absent_body_does_not_reach_django():
    response = asyncio.run(send_request(RequestGuard(echo, 10), content_type="text/plain; charset=rot13"))
    assert json.loads(response.body)["headers"] == ["host"]


def test_a_client_that_disconnected_gets_no_response():
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": []}
    asyncio.run(RequestGuard(echo, 10)(scope, receive, send))
    assert sent == []
