"""The API as a client uses it: a player with a token, and bodies as JSON."""

import json
from itertools import count
from typing import Any

from django.http import HttpResponse
from django.test import Client

from games.play.callers import Caller
from games.play.models import HOUSE, AgentToken
from tests.factories.tokens import token_for
from tests.games.play.playing import make_caller
from tokens.models import AccessToken

_keys = count()


class Player:
    """A user with an access token for an agent."""

    def __init__(self, name: str = "ada", agent: str = HOUSE) -> None:
        self.caller: Caller = make_caller(name, agent)
        text = token_for(self.caller.user, "play")
        if agent != HOUSE:
            AgentToken.objects.create(token=AccessToken.objects.latest("pk"), agent=self.caller.agent)
        self._client = Client(headers={"Authorization": f"Token {text}"})

    def get(self, path: str) -> HttpResponse:
        return self._client.get(f"/api/play/{path}")

    def post(self, path: str, body: Any = None, *, key: str | None = "") -> HttpResponse:
        """Send a body with an Idempotency-Key: a fresh one, the given one, or none where it is None."""
        headers = {} if key is None else {"Idempotency-Key": key or f"api-{next(_keys)}"}
        return self._client.post(
            f"/api/play/{path}", json.dumps(body if body is not None else {}), "application/json", headers=headers
        )

    def put(self, path: str, body: Any) -> HttpResponse:
        return self._client.put(f"/api/play/{path}", json.dumps(body), "application/json")

    def bet(
        self, amount: str = "1.00", difficulty: str = "EASY", *, key: str | None = "", **order: Any
    ) -> HttpResponse:
        body = {"amount": amount, "currency": "FUN", "difficulty": difficulty, **order}
        return self.post("bets/", body, key=key)

    def step(self, bet_id: int, step: int) -> HttpResponse:
        return self.post("session/step/", {"bet_id": bet_id, "step": step}, key=None)

    def cash_out(self, bet_id: int, *, key: str | None = "") -> HttpResponse:
        return self.post("session/cashout/", {"bet_id": bet_id}, key=key)
