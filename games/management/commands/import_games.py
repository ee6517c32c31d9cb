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
        "Record the games of csv and JSON lines files, plain or gzipped. A line that cannot be recorded goes to a "
        "report file with its reason and stops no other. Shapes and column names: docs/importing.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="+", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="Say what would be recorded; record nothing.")
        parser.add_argument(
            "--force", action="store_true", help="Allow ids more than a million ahead of the newest game."
        )
        parser.add_argument("--batch-size", type=int, default=500, help="Games per transaction (default 500).")
        parser.add_argument(
            "--report", type=Path, help="Where rejected lines go (default rejected-<file>.jsonl, here)."
        )
        parser.add_argument("--no-progress", action="store_true", help="No progress bar on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        files: list[Path] = options["file"]
        self._refuse_nonsense(files, options)
        chosen = Options(batch_size=options["batch_size"], dry_run=options["dry_run"], force=options["force"])
        total, failures = Counts(), []
        started = time.monotonic()
        for path, report in _with_reports(files, options["report"]):
            task = FileImport(path, chosen, report)
            with report:
                failures += self._import(task, hidden=options["no_progress"])
            total += task.counts
        if len(files) > 1:
            self._tell("Total", total, started, options["dry_run"])
        if failures:
            raise CommandError("\n".join(failures))

    def _refuse_nonsense(self, files: list[Path], options: dict[str, Any]) -> None:
        if not 1 <= options["batch_size"] <= MAX_BATCH_SIZE:
            raise CommandError(f"--batch-size must be from 1 to {MAX_BATCH_SIZE}.")
        if options["report"] and options["report"].resolve() in {path.resolve() for path in files}:
            raise CommandError("--report would overwrite a file to import.")

    def _import(self, task: FileImport, *, hidden: bool) -> list[str]:
        """Import one file and tell of it; returns why it failed, if it did."""
        name = _name(task.path)
        started = time.monotonic()
        try:
            with _progress(name, hidden=hidden) as advance:
                task.run(advance)
        except UNREADABLE as error:
            reason = getattr(error, "strerror", None) or str(error)
            failure = [f"{name}: {reason}"]
        except (DatabaseError, UnwritableReport) as error:
            self._tell(name, task.counts, started, task.options.dry_run)
            raise CommandError(f"{name}: {error}") from error
        else:
            failure = [] if task.counts.accepted else [f"{name}: nothing in it could be read."]
        self._tell_what_was_left(task)
        if task.counts.read:
            self._tell(name, task.counts, started, task.options.dry_run)
        return failure

    def _tell(self, name: str, counts: Counts, started: float, dry_run: bool) -> None:
        end = " Dry run: nothing was recorded." if dry_run else ""
        self.stdout.write(f"{name}: {counts.describe()} in {time.monotonic() - started:.1f} s.{end}")

    def _tell_what_was_left(self, task: FileImport) -> None:
        counts = task.counts
        if task.ignored:
            self._warn(task, f"ignored columns: {', '.join(task.ignored)}.")
        if counts.mismatched:
            self._warn(
                task,
                f"{counts.mismatched:,} games do not verify and are flagged. Are they of {settings.SITE} (SITE)?",
            )
        if task.report.count:
            self._warn(task, f"{task.report.count:,} rejected lines are in {task.report.path}.")

    def _warn(self, task: FileImport, text: str) -> None:
        self.stderr.write(f"{_name(task.path)}: {text}", self.style.WARNING)


def _with_reports(files: Iterable[Path], chosen: Path | None) -> Iterator[tuple[Path, Report]]:
    """One report for all files, or one each; files of one name in two folders share theirs."""
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
    """A path such as `.` ends in no name."""
    return path.name or str(path)
