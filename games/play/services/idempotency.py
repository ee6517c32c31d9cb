"""Requests that are carried out once, whatever a client or a network repeats.

A row is committed as running with the claim, and gets its answer in the transaction of the outcome. What is refused
before a claim leaves no row: the transaction that wrote it is rolled back.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError

from games.play.callers import Caller
from games.play.errors import KeyReused, RequestInProgress
from games.play.models import IdempotentRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a call. `replayed` is True if it was stored by an earlier request with the same key."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An Idempotency-Key with the fingerprint of its request."""

    user: User
    key: str
    fingerprint: str


class AlreadyAnswered(Exception):
    """An earlier request with the same key has this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def request_key(caller: Caller, key: str, *, method: str, path: str, body: Any) -> RequestKey:
    """Return the key of a request. Two bodies that mean the same JSON have one fingerprint."""
    canonical = json.dumps([caller.agent.code, method, path, body], sort_keys=True, separators=(",", ":"))
    return RequestKey(caller.user, key, hashlib.sha256(canonical.encode()).hexdigest())


def check_unanswered(request: RequestKey) -> None:
    """Raise AlreadyAnswered, RequestInProgress or KeyReused if the key was used before."""
    row = IdempotentRequest.objects.filter(user=request.user, key=request.key).first()
    if row is None:
        return
    if row.fingerprint != request.fingerprint:
        raise KeyReused
    if row.status is None:
        raise RequestInProgress
    raise AlreadyAnswered(Answer(row.status, msgspec.json.decode(row.body), replayed=True))


def answer_of_the_first(request: RequestKey, error: IntegrityError) -> Answer:
    """Answer a request whose key another transaction has stored meanwhile. Raise `error` if that is not its cause."""
    try:
        check_unanswered(request)
    except AlreadyAnswered as repeated:
        return repeated.answer
    raise error


def begin(request: RequestKey, *, bet_id: int | None = None) -> None:
    """Store that the request is running. Raise IntegrityError if another transaction was first with the key."""
    IdempotentRequest.objects.create(user=request.user, key=request.key, fingerprint=request.fingerprint, bet_id=bet_id)


def complete(request: RequestKey, answer: Answer) -> None:
    """Store the answer of a running request."""
    IdempotentRequest.objects.filter(user=request.user, key=request.key, status=None).update(**_columns(answer))


def complete_for_bet(bet_id: int, answer: Answer) -> None:
    """Store the answer of the running request that waits for a bet. For jobs that resolve the bet instead of it."""
    IdempotentRequest.objects.filter(bet_id=bet_id, status=None).update(**_columns(answer))


def _columns(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "body": msgspec.json.encode(answer.body, enc_hook=str).decode()}
