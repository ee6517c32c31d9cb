"""Shapes of the step game's API."""
