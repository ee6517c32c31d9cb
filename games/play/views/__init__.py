"""The API of the step game: thin views over selectors and services."""
