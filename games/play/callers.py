"""The caller of the step game: a user, and the agent that the credential carries."""

from dataclasses import dataclass

from django.contrib.auth.models import User

from games.play.models import Agent


@dataclass(frozen=True, slots=True)
class Caller:
    user: User
    agent: Agent
