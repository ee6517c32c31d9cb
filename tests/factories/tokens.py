"""Access tokens for tests: the text of a new one."""

from itertools import count

from tokens.services import create_token

_numbers = count(1)


def token_for(user, *scopes, **options):
    """Create a token of the user with a name of its own and return its text."""
    _, text = create_token(user=user, name=f"token {next(_numbers)}", scopes=scopes, **options)
    return text


def authorization(user, *scopes):
    return f"Token {token_for(user, *scopes)}"
