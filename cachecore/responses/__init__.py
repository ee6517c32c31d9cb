"""Cached HTTP answers: the policy of a view, the stored answer, the front door that serves it before Django."""
