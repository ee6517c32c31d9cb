from django.db import migrations

POSTGRESQL = [
    """
    CREATE FUNCTION play_transfer_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'transfers are append-only: % refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER play_transfer_no_change BEFORE UPDATE OR DELETE ON play_transfer
    FOR EACH ROW EXECUTE FUNCTION play_transfer_refuse()
    """,
    """
    CREATE TRIGGER play_transfer_no_truncate BEFORE TRUNCATE ON play_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION play_transfer_refuse()
    """,
]
POSTGRESQL_REVERSE = [
    "DROP TRIGGER play_transfer_no_truncate ON play_transfer",
    "DROP TRIGGER play_transfer_no_change ON play_transfer",
    "DROP FUNCTION play_transfer_refuse()",
]

SQLITE = [
    """
    CREATE TRIGGER play_transfer_no_update BEFORE UPDATE ON play_transfer
    BEGIN SELECT RAISE(ABORT, 'transfers are append-only: UPDATE refused'); END
    """,
    """
    CREATE TRIGGER play_transfer_no_delete BEFORE DELETE ON play_transfer
    BEGIN SELECT RAISE(ABORT, 'transfers are append-only: DELETE refused'); END
    """,
    # INSERT OR REPLACE deletes the row in its way without a word to the trigger above.
    """
    CREATE TRIGGER play_transfer_no_replace BEFORE INSERT ON play_transfer
    WHEN EXISTS (
        SELECT 1 FROM play_transfer
        WHERE id = NEW.id OR (transaction_id = NEW.transaction_id AND kind = NEW.kind)
    )
    BEGIN SELECT RAISE(ABORT, 'transfers are append-only: REPLACE refused'); END
    """,
]
SQLITE_REVERSE = [
    f"DROP TRIGGER play_transfer_no_{name}" for name in ("replace", "delete", "update")
]


def create_triggers(apps, schema_editor):
    for statement in {"postgresql": POSTGRESQL, "sqlite": SQLITE}[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def drop_triggers(apps, schema_editor):
    for statement in {"postgresql": POSTGRESQL_REVERSE, "sqlite": SQLITE_REVERSE}[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("play", "0002_house")]

    operations = [migrations.RunPython(create_triggers, drop_triggers)]
