"""The Procfile: one line for each process, `name: command`."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template


def procfile_commands(procfile: Path, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Return each process's arguments. Variables are filled in, and `python` is the running interpreter."""
    return dict(_parse_line(line, environment) for line in procfile.read_text().splitlines())


def _parse_line(line: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    name, _, command = line.partition(":")
    arguments = [Template(word).substitute(environment) for word in shlex.split(command)]
    if arguments[0] == "python":
        arguments[0] = sys.executable
    return name, arguments
