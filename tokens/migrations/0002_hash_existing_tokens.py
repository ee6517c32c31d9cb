"""Take over the tokens of rest_framework.authtoken, which stored them in clear.

They keep working: the digest of their text is what is stored now. The rows in clear are deleted; their empty table
stays, so that the previous release answers 401 and not an error while both run.
"""

import hashlib
from datetime import UTC

from django.db import migrations
from django.utils.dateparse import parse_datetime

OLD_TABLE = "authtoken_token"
SCOPES = ["ingest", "monitoring"]  # what a token could be used for until now
PREFIX_LENGTH = 8


def hash_tokens(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if OLD_TABLE not in connection.introspection.table_names(cursor):
            return
        cursor.execute(f"SELECT key, user_id, created FROM {OLD_TABLE}")  # noqa: S608  a constant
        rows = cursor.fetchall()
    tokens = apps.get_model("tokens", "AccessToken").objects.using(connection.alias)
    for text, user_id, created in rows:
        token = tokens.create(
            user_id=user_id,
            name="from an earlier release",
            prefix=text[:PREFIX_LENGTH],
            digest=hashlib.sha256(text.encode()).hexdigest(),
            scopes=SCOPES,
        )
        tokens.filter(pk=token.pk).update(created_at=_aware(created))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {OLD_TABLE}")  # noqa: S608  a constant


def _aware(created):
    """Return the time as PostgreSQL (aware) or SQLite (text or naive, in UTC) delivers it."""
    created = parse_datetime(created) if isinstance(created, str) else created
    return created if created.tzinfo is not None else created.replace(tzinfo=UTC)


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial")]

    operations = [migrations.RunPython(hash_tokens, migrations.RunPython.noop)]
