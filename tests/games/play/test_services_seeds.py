"""Seeds: commitment first, then the client seed, then the bet."""

import pytest

from games.play import draw, errors
from games.play.models import Seeds
from games.play.seed_encryption import decrypt_seed
from games.play.services.seeds import set_client_seed, show_seeds
from tests.games.play.playing import deal_hazard_at, make_caller, placed, step

pytestmark = pytest.mark.django_db

CLIENT_SEED = "0123456789abcdef"


@pytest.fixture
def caller():
    return make_caller()


def test_seeds_are_made_at_the_first_look_and_stay_until_a_bet_ends(caller):
    seeds = show_seeds(caller=caller)
    assert (seeds.nonce, seeds.client_seed) == (0, "")
    again = show_seeds(caller=caller)
    assert (again.commitment, again.commitment_shown_at) == (seeds.commitment, seeds.commitment_shown_at)


def test_the_seed_lies_encrypted_and_belongs_to_its_commitment(caller):
    seeds = show_seeds(caller=caller)
    server_seed = decrypt_seed(seeds.encrypted_seed, seeds.commitment)
    assert draw.commitment_of(server_seed) == seeds.commitment
    assert server_seed not in str(Seeds.objects.values().get())


def test_a_client_seed_is_set_after_the_commitment_even_if_the_clock_stands_still(caller):
    shown = show_seeds(caller=caller)
    Seeds.objects.update(commitment_shown_at=shown.commitment_shown_at.replace(year=2200))  # the clock was set back
    set_client_seed(caller=caller, client_seed=CLIENT_SEED)
    seeds = Seeds.objects.get()
    assert (seeds.client_seed_set_at - seeds.commitment_shown_at).total_seconds() == 0.001
    placed(caller)  # and the bet is not before the client seed


def test_a_client_seed_before_the_commitment_was_shown_is_refused(caller):
    with pytest.raises(errors.CommitmentNotShown) as refusal:
        set_client_seed(caller=caller, client_seed=CLIENT_SEED)
    assert (refusal.value.status, refusal.value.code) == (409, "commitment_not_shown")
    assert Seeds.objects.filter(client_seed="").count() == Seeds.objects.count()


def test_a_client_seed_can_be_changed_until_the_bet(caller):
    show_seeds(caller=caller)
    set_client_seed(caller=caller, client_seed="0" * 16)
    set_client_seed(caller=caller, client_seed=CLIENT_SEED)
    bet_id = placed(caller)
    with pytest.raises(errors.ActiveSessionExists) as refusal:
        set_client_seed(caller=caller, client_seed="0" * 16)
    assert refusal.value.bet.pk == bet_id
    assert Seeds.objects.get().client_seed == CLIENT_SEED


def test_a_new_commitment_must_be_shown_before_a_client_seed_can_be_set_again(caller):
    deal_hazard_at(caller, "EASY", 1)
    show_seeds(caller=caller)
    step(caller, placed(caller), 1)
    with pytest.raises(errors.CommitmentNotShown):
        set_client_seed(caller=caller, client_seed=CLIENT_SEED)
    show_seeds(caller=caller)
    set_client_seed(caller=caller, client_seed=CLIENT_SEED)
