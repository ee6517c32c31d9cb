import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from games.play.checks import seed_keys_are_valid, stored_configuration_is_valid
from games.play.models import GameConfig


def test_keys_that_are_missing_or_wrong_are_errors(settings):
    assert seed_keys_are_valid(None) == []
    settings.PLAY_SEED_KEYS = []
    assert [error.id for error in seed_keys_are_valid(None)] == ["play.E001"]
    settings.PLAY_SEED_KEYS = ["b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMDE=", "abc"]
    [error] = seed_keys_are_valid(None)
    assert (error.id, error.msg) == ("play.E002", "PLAY_SEED_KEYS: key 2 is no Fernet key.")
    assert "abc" not in str(error)


@pytest.mark.django_db
def test_a_stored_table_that_does_not_fit_the_draw_is_an_error():
    assert stored_configuration_is_valid(None, ["default"]) == []
    table = ["1.64", "2.75", "4.90", "9.18", "18.36", "39.78", "95.47", "262.54", "875.16", "3937.00", "36000.00"]
    GameConfig.objects.create(key="betConfig", value={"minReturn": "0.90", "coefficients": {"DAREDEVIL": table}})
    [error] = stored_configuration_is_valid(None, ["default"])
    assert (error.id, error.msg) == (
        *("play.E003",),
        *("betConfig: DAREDEVIL: Step 1 returns 1.0022; allowed is 0.9000 to 1.",),
    )
    with pytest.raises(SystemCheckError, match=r"play\.E003"):
        call_command("check", databases=["default"])


def test_the_stored_configuration_is_not_read_without_a_database():
    assert stored_configuration_is_valid(None) == []
