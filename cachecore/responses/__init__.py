"""The HTTP response cache: a policy per view, stored responses, and ASGI middleware that serves them before Django."""
