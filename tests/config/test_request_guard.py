import asyncio
import json
from contextlib import suppress

from config.serving import request_guard
from config.serving.request_guard import BodyMemory, RequestGuard
from tests.cachecore.asgi import send_request


async def echo(scope, receive, send):
    """Respond with the received body and header names."""
    message = await receive()
    names = [name.decode() for name, _ in scope["headers"]]
    body = json.dumps({"body": message["body"].decode(), "headers": names}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _authenticated(scope):
    return b"authorization" in dict(scope["headers"])


def guard(max_body_bytes=10, **options):
    return RequestGuard(echo, max_body_bytes, authenticate=_authenticated, **options)


def post(app, body=b"", **headers):
    headers.setdefault("content_length", str(len(body)))
    return asyncio.run(send_request(app, method="POST", body=body, **headers))


def test_a_body_arrives_complete():
    assert json.loads(post(guard(), b"0123456789").body)["body"] == "0123456789"


def test_a_longer_body_is_a_413_whether_declared_or_not():
    for headers in ({"transfer_encoding": "chunked", "content_length": "0"}, {"content_length": "11"}):
        answer = post(guard(), b"01234567890", **headers)
        assert (answer.status, json.loads(answer.body)) == (
            413,
            {"detail": "The request body is larger than 10 bytes."},
        )


def test_a_length_that_is_no_number_is_a_400():
    assert post(guard(), b"", content_length="ten").status == 400


def test_a_query_that_is_not_ascii_is_a_400():
    answer = asyncio.run(send_request(guard(), query="tz=\xe9"))
    assert (answer.status, json.loads(answer.body)["detail"]) == (
        400,
        "The query string is not ASCII. Percent-encode it.",
    )


def test_a_header_with_an_underscore_cannot_pass_for_one_with_a_dash():
    async def with_underscore():
        async def add_header(scope, receive, send):
            scope["headers"].append((b"x_forwarded_proto", b"https"))
            await guard()(scope, receive, send)

        return await send_request(add_header)

    assert json.loads(asyncio.run(with_underscore()).body)["headers"] == ["host"]


def test_a_charset_other_than_utf_8_is_a_415():
    answer = post(guard(), b"{}", content_type="application/json; charset=utf-16")
    assert (answer.status, json.loads(answer.body)) == (415, {"detail": "The charset must be UTF-8."})
    assert post(guard(), b"{}", content_type='application/json; charset="UTF-8"').status == 200


def test_the_type_of_an_absent_body_does_not_reach_django():
    answer = asyncio.run(send_request(guard(), content_type="text/plain; charset=rot13"))
    assert json.loads(answer.body)["headers"] == ["host"]


def test_a_client_that_disconnected_gets_no_response():
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "query_string": b"", "path": "/", "headers": [(b"content-length", b"5")]}
    asyncio.run(guard()(scope, receive, send))
    assert sent == []


# Limits of bodies ------------------------------------------------------------------------------------------------


def messages(*parts, then=None):
    """Return a `receive` of these parts, and a list of how many were read. Then the client hangs, or `then` comes."""
    waiting, read = list(parts), []

    async def receive():
        if waiting:
            read.append(part := waiting.pop(0))
            return {"type": "http.request", "body": part, "more_body": bool(waiting or then or then is None)}
        if then is None:
            await asyncio.Event().wait()
        return {"type": then}

    return receive, read


def exchange(app, receive, path="/", **headers):
    sent = []

    async def send(message):
        sent.append(message)

    names = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": names}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_body_that_needs_authentication_is_not_read_without_it():
    app = guard(private_prefix="/api/", public_paths={"/api/guest/"})
    for path, read_parts in (("/api/games/", []), ("/api/guest/", [b"abc"]), ("/admin/login/", [b"abc"])):
        receive, read = messages(b"abc", then="http.disconnect")
        exchange_or_leave(app, receive, path, content_length="3")
        assert read == read_parts
    receive, read = messages(b"abc", then="http.disconnect")
    exchange_or_leave(app, receive, "/api/games/", content_length="3", authorization="Token x")
    assert read == [b"abc"]


def exchange_or_leave(*arguments, **headers):
    with suppress(IndexError):  # no response to a client that left
        exchange(*arguments, **headers)


def test_without_authentication_django_gets_the_request_with_an_empty_body():
    receive, _ = messages(b"abc")
    status, body = exchange(guard(private_prefix="/api/"), receive, "/api/games/", content_length="3")
    assert (status, body) == (200, {"body": "", "headers": []})


def test_a_body_of_an_unknown_client_is_smaller_than_that_of_a_known_one():
    for headers, status in (({}, 413), ({"authorization": "Token x"}, 200)):
        size = request_guard.MAX_ANONYMOUS_BODY_BYTES + 1
        assert post(guard(1_000_000), b"x" * size, **headers).status == status


def test_a_body_that_stops_is_a_408():
    receive, _ = messages(b"abc")
    status, body = exchange(guard(deadline=lambda received: 0.01), receive, content_length="5")
    assert (status, body) == (408, {"detail": "The request body arrived too slowly."})


def test_a_body_has_a_least_rate_and_a_time_limit():
    deadline = request_guard.body_deadline
    assert [deadline(size) for size in (0, 16_384, 163_840, 2_097_152)] == [10, 11, 20, 60]


def test_bodies_beyond_the_memory_of_the_process_are_a_503_and_release_it():
    memory = BodyMemory(16)
    for headers, statuses in (({}, [200, 503]), ({"authorization": "Token x"}, [200, 200])):
        answers = [post(guard(memory=memory), b"x" * size, **headers) for size in (8, 9)]
        assert [answer.status for answer in answers] == statuses
        assert memory.used == 0
    assert post(guard(memory=memory), b"x" * 9).headers["retry-after"] == "5"


def test_a_chunked_body_reaches_django_with_its_length():
    answer = post(guard(), b"0123", transfer_encoding="chunked", content_length="0")
    assert json.loads(answer.body) == {"body": "0123", "headers": ["host", "content-length"]}


def test_a_chunked_body_that_ends_early_is_a_400():
    receive, _ = messages(b"abc", then="http.disconnect")
    status, body = exchange(guard(), receive, transfer_encoding="chunked")
    assert (status, body) == (400, {"detail": "The request body ended early, or a chunk of it is malformed."})
