"""Reads of the step game."""
