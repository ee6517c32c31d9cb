"""The commands of the step game, and its tasks."""

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import F

from games.play import tasks
from games.play.difficulties import LANES
from games.play.management.commands.play_simulate import Command
from games.play.models import Account, Bet, GameConfig
from games.play.simulation import Simulation, StepResult, deviating
from tests.games.play.playing import cash, deal_free_steps, expire, make_caller, placed, step

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def caller():
    caller = make_caller()
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    cash(caller, bet_id)
    placed(caller)
    return caller


def test_the_audit_says_that_the_books_agree(caller):
    assert run("play_audit").startswith("The books agree: 4 accounts, 2 bets, 5 transfers in ")


def test_the_audit_fails_and_names_the_rows(caller):
    Account.objects.filter(kind="player").update(balance_e4=F("balance_e4") + 1)
    out = StringIO()
    with pytest.raises(CommandError, match="Rows that differ: 1"):
        call_command("play_audit", stdout=out)
    assert out.getvalue().startswith("account ")


def test_the_simulation_agrees_with_the_law_and_is_repeatable():
    arguments = ("--bets", "2000", "--difficulty", "DAREDEVIL", "--seed", "fixed", "--no-progress")
    first, again = run("play_simulate", *arguments), run("play_simulate", *arguments)
    rows = first.splitlines()
    assert rows[:12] == again.splitlines()[:12]
    assert rows[0].split() == ["DAREDEVIL", "coefficient", "bets", "won", "return", "expected"]
    assert rows[1].split()[:4] == ["step", "1", "1.62", "2,000"]
    assert rows[1].split()[-1] == "0.9900"
    assert rows[-1].startswith("All 11 steps agree with the law (seed fixed, 2,000 bets per difficulty, ")


@pytest.mark.parametrize(("strategy", "steps"), [("3", 4), ("random", 76), ("12", 3)])
def test_the_simulation_follows_a_strategy(strategy, steps):
    out = run("play_simulate", "--bets", "500", "--strategy", strategy, "--seed", "s", "--no-progress")
    assert f"All {steps} steps agree with the law" in out
    assert ("DAREDEVIL: the ladder has no such step." in out) == (strategy == "12")


@pytest.mark.parametrize("arguments", [("--bets", "0"), ("--strategy", "often"), ("--difficulty", "SIMPLE")])
def test_the_simulation_refuses_what_it_does_not_know(arguments):
    with pytest.raises(CommandError):
        run("play_simulate", *arguments)


def test_the_simulation_fails_if_a_step_deviates():
    lucky = StepResult(LANES["EASY"], step=2, coefficient=122, bets=1_000, won=1_000)
    with pytest.raises(CommandError) as refusal:
        Command()._conclude([lucky], "1,000 bets")
    assert str(refusal.value) == "Deviating at 0.001 / 1: step 2 of 30 columns (1,000 bets)."


def test_a_return_is_compared_with_its_binomial():
    lane = LANES["EASY"]
    fair = Simulation("EASY", lane, (110,), "1", "s")
    for number in range(1_000):
        fair.play(number)
    [result] = fair.results
    assert (result.bets, float(result.expected)) == (1_000, 0.99)
    assert result.returned == pytest.approx(0.99, abs=0.04)
    assert deviating([result]) == []
    result.won = 1_000
    assert deviating([result]) == [result]


def test_an_invalid_configuration_is_one_line():
    GameConfig.objects.create(key="houseEdge", value="0.5")
    with pytest.raises(CommandError, match="The configuration of the game is invalid"):
        run("play_simulate")


def test_seeds_are_encrypted_again_with_the_first_key(caller, settings):
    bet_id = Bet.objects.get(state="placed").pk
    old, new = settings.PLAY_SEED_KEYS, [Fernet.generate_key().decode()]
    settings.PLAY_SEED_KEYS = new + old
    assert run("play_rotate_keys") == "Encrypted 2 seeds with the first key.\n"  # the open bet's, and the player's row
    settings.PLAY_SEED_KEYS = new
    assert step(caller, bet_id, 1).ended_at_step in (None, 1)


def test_a_seed_that_no_key_opens_stops_the_rotation(caller, settings):
    settings.PLAY_SEED_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="No key of PLAY_SEED_KEYS opens one of the seeds: add its key"):
        run("play_rotate_keys")


def test_the_job_closes_abandoned_bets(caller):
    expire(Bet.objects.get(state="placed").pk)
    assert tasks.close_abandoned_bets() == 1
    assert not Bet.objects.filter(state="placed").exists()


def test_the_job_runs_without_redis_too(caller, valkey):
    expire(Bet.objects.get(state="placed").pk)
    valkey.stop()
    assert tasks.close_abandoned_bets() == 1


def test_the_nightly_audit_logs_each_row_as_an_error(caller, caplog):
    assert tasks.audit_books() == 0
    Account.objects.filter(kind="player").update(balance_e4=F("balance_e4") + 1)
    assert tasks.audit_books() == 1
    [record] = [one for one in caplog.records if one.name == "games.play.tasks"]
    assert (record.levelname, record.message[:19]) == ("ERROR", "play_audit: account")
