import re
import subprocess
import sys

from config.stack.procfile import procfile_commands
from tests.processes import PROJECT


def test_the_procfile_names_the_four_processes_and_fills_in_variables():
    commands = procfile_commands(
        PROJECT / "Procfile", {"HOST": "127.0.0.1", "PORT": "8123", "WEB_WORKERS": "2", "DATA_DIR": "/a dir"}
    )
    assert list(commands) == ["web", "worker", "beat", "monitor"]
    assert " --port 8123 --workers 2 " in " ".join(commands["web"])
    assert commands["beat"][-2:] == ["--schedule", "/a dir/celerybeat-schedule"]
    assert commands["monitor"] == [sys.executable, "manage.py", "monitor_games"]


def test_the_image_runs_the_lines_of_the_procfile(tmp_path):
    """`docker/run NAME` becomes that process, with the variables of its environment; anything else is a command."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOST": "0.0.0.0", "PORT": "81", "WEB_WORKERS": "3"}  # noqa: S104
    procfile = dict(line.split(": ", 1) for line in (PROJECT / "Procfile").read_text().splitlines())
    for name, line in procfile.items():
        said = subprocess.run(
            ["sh", "docker/run", name],  # noqa: S607
            cwd=PROJECT,
            env={**environment, "DATA_DIR": "/data"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        filled_in = re.sub(r"\$(\w+)", lambda found: {**environment, "DATA_DIR": "/data"}[found[1]], line)
        assert said == filled_in.removeprefix("python ") + "\n"
    other = subprocess.run(
        ["sh", "docker/run", "python", "manage.py", "migrate"],  # noqa: S607
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == "manage.py migrate\n"
