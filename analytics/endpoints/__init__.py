"""A query in, the answer of the API out: asked of the live view or the table, computed, and told as plain data.

One room per endpoint. Each `answer` raises django.db.Error when only the table could tell and does not answer.
"""
