"""From a request to its caller. The agent comes from the credential, never from a parameter."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from games.play.callers import Caller
from games.play.models import HOUSE, Agent, AgentToken

AGENT_IN_SESSION = "play_agent"


def caller_of(user: User, request: HttpRequest, token: object | None) -> Caller:
    """Return the caller of an authenticated request: by token, or by session."""
    return Caller(user, agent_of(request, token))


def agent_of(request: HttpRequest, token: object | None = None) -> Agent:
    """Return the agent that a token was issued for, or that a launch has bound to the session; else the house."""
    if token is not None:
        found = AgentToken.objects.select_related("agent").filter(token=getattr(token, "pk", None)).first()
        return found.agent if found else Agent.objects.get(code=HOUSE)
    code = request.session.get(AGENT_IN_SESSION, HOUSE) if hasattr(request, "session") else HOUSE
    return Agent.objects.get(code=code)
