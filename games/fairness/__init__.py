"""Provably fair arithmetic of the recorded sites. It is pure Python without Django, Redis, clock or network."""

from games.fairness.chain import chain, previous_hash, shares_chain_with_previous
from games.fairness.crash_point import MAX_CRASH_HUNDREDTHS, InfiniteCrashPoint, crash_hundredths
from games.fairness.formulas import FORMULAS, SITES, ChainStep, Formula, Randomness, formula_for
from games.fairness.hashes import MalformedHash, normalise_hash
from games.fairness.law import Law, law_for
from games.fairness.steps import Steps, explain
from games.fairness.verification import Verdict, verify

__all__ = [
    "FORMULAS",
    "MAX_CRASH_HUNDREDTHS",
    "SITES",
    "ChainStep",
    "Formula",
    "InfiniteCrashPoint",
    "Law",
    "MalformedHash",
    "Randomness",
    "Steps",
    "Verdict",
    "chain",
    "crash_hundredths",
    "explain",
    "formula_for",
    "law_for",
    "normalise_hash",
    "previous_hash",
    "shares_chain_with_previous",
    "verify",
]
