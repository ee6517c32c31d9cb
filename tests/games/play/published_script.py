"""The script of docs/fairness.md, run as a player would run it."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "fairness.md").read_text()
[SCRIPT] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run_script(server_seed: str, client_seed: str, nonce: int, columns: int, hazards: int) -> tuple[str, list[int]]:
    """Return the commitment and the hazards that the script prints."""
    arguments = [server_seed, client_seed, *map(str, (nonce, columns, hazards))]
    printed = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    commitment, drawn = printed.splitlines()
    return commitment.removeprefix("commitment: "), [int(one) for one in drawn.removeprefix("hazards: ").split()]
