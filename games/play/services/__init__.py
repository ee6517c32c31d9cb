"""Writes of the step game."""
