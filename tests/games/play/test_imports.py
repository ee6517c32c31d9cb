import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def test_the_contract_names_every_module_of_games_but_play():
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [named] = [set(one["source_modules"]) for one in contracts if one["name"].startswith("The rest of games")]
    found = {
        f"games.{path.stem}"
        for path in (PROJECT / "games").iterdir()
        if path.stem not in ("__init__", "__pycache__", "play") and path.suffix in ("", ".py")
    }
    assert named == found
