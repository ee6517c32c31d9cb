from django.db import migrations

UNIT_E4 = 10_000


def create_house(apps, schema_editor):
    """Create the agent `house` with play money. The tests call this again after Django's flush."""
    agent, _ = apps.get_model("play", "Agent").objects.get_or_create(code="house", defaults={"wallet": "ledger"})
    apps.get_model("play", "AgentCurrency").objects.get_or_create(
        agent=agent,
        currency="FUN",
        defaults={"min_bet_e4": UNIT_E4 // 100, "max_bet_e4": 150 * UNIT_E4, "max_win_e4": 10_000 * UNIT_E4},
    )


class Migration(migrations.Migration):
    dependencies = [("play", "0001_initial")]

    operations = [migrations.RunPython(create_house, migrations.RunPython.noop)]
