import sys
import time
import zlib
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from games.importing import Counts, FileImport, Options, Report, UnreadableFile, UnwritableReport

MAX_BATCH_SIZE = 10_000  # a batch is one transaction and one `IN (...)`
UNREADABLE = (UnreadableFile, OSError, EOFError, zlib.error)


class Command(BaseCommand):
    help = (
        "Record the games of csv and JSON lines files, plain or gzipped. A line that cannot be recorded is written to "
        "a report file with the reason; the other lines are recorded. docs/importing.md describes formats and columns."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="+", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="Report what would be recorded, without recording it."
        )
        parser.add_argument(
            "--force", action="store_true", help="Accept ids more than a million ahead of the newest game."
        )
        parser.add_argument("--batch-size", type=int, default=500, help="Games per transaction (default 500).")
        parser.add_argument(
            "--report",
            type=Path,
            help="The file for rejected lines (default rejected-<file>.jsonl in the current directory).",
        )
        parser.add_argument("--no-progress", action="store_true", help="Do not show a progress bar on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        files: list[Path] = options["file"]
        self._validate_options(files, options)
        chosen = Options(batch_size=options["batch_size"], dry_run=options["dry_run"], force=options["force"])
        total, failures = Counts(), []
        started = time.monotonic()
        for path, report in _with_reports(files, options["report"]):
            task = FileImport(path, chosen, report)
            with report:
                failures += self._import(task, hidden=options["no_progress"])
            total += task.counts
        if len(files) > 1:
            self._write_summary("Total", total, started, options["dry_run"])
        if failures:
            raise CommandError("\n".join(failures))

    def _validate_options(self, files: list[Path], options: dict[str, Any]) -> None:
        if not 1 <= options["batch_size"] <= MAX_BATCH_SIZE:
            raise CommandError(f"--batch-size must be from 1 to {MAX_BATCH_SIZE}.")
        if options["report"] and options["report"].resolve() in {path.resolve() for path in files}:
            raise CommandError("--report must not be one of the files to import.")

    def _import(self, task: FileImport, *, hidden: bool) -> list[str]:
        """Import one file and print a summary. Return the reasons why it failed, if it did."""
        name = _name(task.path)
        started = time.monotonic()
        try:
            with _progress(name, hidden=hidden) as advance:
                task.run(advance)
        except UNREADABLE as error:
            reason = getattr(error, "strerror", None) or str(error)
            failure = [f"{name}: {reason}"]
        except (DatabaseError, UnwritableReport) as error:
            self._write_summary(name, task.counts, started, task.options.dry_run)
            raise CommandError(f"{name}: {error}") from error
        else:
            failure = [] if task.counts.accepted else [f"{name}: no line of the file could be read."]
        self._warn_about_leftovers(task)
        if task.counts.read:
            self._write_summary(name, task.counts, started, task.options.dry_run)
        return failure

    def _write_summary(self, name: str, counts: Counts, started: float, dry_run: bool) -> None:
        end = " Dry run: no game was recorded." if dry_run else ""
        self.stdout.write(f"{name}: {counts.describe()} in {time.monotonic() - started:.1f} s.{end}")

    def _warn_about_leftovers(self, task: FileImport) -> None:
        counts = task.counts
        if task.ignored:
            self._warn(task, f"ignored columns: {', '.join(task.ignored)}.")
        if counts.mismatched:
            self._warn(
                task,
                f"{counts.mismatched:,} games have a hash that does not give their crash point. They are recorded and "
                f"flagged. Check that they are games of {settings.SITE} (SITE).",
            )
        if task.report.count:
            self._warn(task, f"{task.report.count:,} rejected lines were written to {task.report.path}.")

    def _warn(self, task: FileImport, text: str) -> None:
        self.stderr.write(f"{_name(task.path)}: {text}", self.style.WARNING)


def _with_reports(files: Iterable[Path], chosen: Path | None) -> Iterator[tuple[Path, Report]]:
    """Yield each file with its report: the `chosen` one for all files, or one per file name."""
    written: set[Path] = set()
    for path in files:
        target = chosen or Path(f"rejected-{path.name}.jsonl")
        report = Report(target, append=target in written)
        yield path, report
        if report.count:
            written.add(target)


@contextmanager
def _progress(name: str, *, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    disabled = hidden or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=disabled) as progress:
        task = progress.add_task(name)
        yield lambda done, size: progress.update(task, completed=done, total=size)


def _name(path: Path) -> str:
    """Return the name of a file for messages. A path such as `.` has no name."""
    return path.name or str(path)
