import asyncio
import json

from config.serving.request_guard import Intake
from tests.cachecore.asgi import send_request


async def echo(scope, receive, send):
    """Answers with what reached it."""
    message = await receive()
    names = [name.decode() for name, _ in scope["headers"]]
    body = json.dumps({"body": message["body"].decode(), "headers": names}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def post(app, body=b"", **headers):
    return asyncio.run(send_request(app, method="POST", body=body, **headers))


def test_a_body_arrives_whole():
    assert json.loads(post(Intake(echo, 10), b"0123456789").body)["body"] == "0123456789"


def test_a_longer_body_is_a_413_whether_declared_or_not():
    for headers in ({}, {"content_length": "11"}):
        answer = post(Intake(echo, 10), b"01234567890", **headers)
        assert (answer.status, json.loads(answer.body)) == (
            413,
            {"detail": "The request body is larger than 10 bytes."},
        )


def test_a_length_that_is_no_number_is_a_400():
    assert post(Intake(echo, 10), b"", content_length="ten").status == 400


def test_a_query_that_is_not_ascii_is_a_400():
    answer = asyncio.run(send_request(Intake(echo, 10), query="tz=\xe9"))
    assert (answer.status, json.loads(answer.body)["detail"]) == (
        400,
        "The query string is not ASCII: percent-encode it.",
    )


def test_a_header_with_an_underscore_cannot_pass_for_one_with_a_dash():
    async def with_underscore():
        async def add_header(scope, receive, send):
            scope["headers"].append((b"x_forwarded_proto", b"https"))
            await Intake(echo, 10)(scope, receive, send)

        return await send_request(add_header)

    assert json.loads(asyncio.run(with_underscore()).body)["headers"] == ["host"]


def test_a_charset_that_json_does_not_have_is_a_415():
    answer = post(Intake(echo, 10), b"{}", content_type="application/json; charset=utf-16")
    assert (answer.status, json.loads(answer.body)) == (415, {"detail": "The charset is not UTF-8."})
    assert post(Intake(echo, 10), b"{}", content_type='application/json; charset="UTF-8"').status == 200


def test_the_type_of_an_absent_body_does_not_reach_django():
    answer = asyncio.run(send_request(Intake(echo, 10), content_type="text/plain; charset=rot13"))
    assert json.loads(answer.body)["headers"] == ["host"]


def test_nobody_is_answered_who_left():
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": []}
    asyncio.run(Intake(echo, 10)(scope, receive, send))
    assert sent == []
