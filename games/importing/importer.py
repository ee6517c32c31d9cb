"""One file into the table: lines -> rounds -> batches -> `record_games`."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from games.importing.counts import Counts
from games.importing.lines import BadLine, LineFile, require_length
from games.importing.recording import Batch, Options
from games.importing.repeats import Seen, Sight
from games.importing.report import Report
from games.importing.shapes import Shape, shape_of
from games.importing.values import to_round

SAMPLE_LINES = 20  # a scraper's file may begin with lines of NAN


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


class FileImport:
    """Import one file. After an exception from `run`, `counts` tells what had been recorded before it."""

    def __init__(self, path: Path, options: Options, report: Report) -> None:
        self.path = path
        self.counts = Counts()
        self.ignored: tuple[str, ...] = ()
        self.options = options
        self.report = report
        self._lines: dict[int, _Line] = {}  # of the batch, by game id

    def run(self, on_progress: Callable[[int, int], None] = lambda done, size: None) -> None:
        """Raises UnreadableFile, OSError, EOFError and zlib.error (a broken gzip), django.db.Error."""
        with LineFile(self.path) as file, Seen() as seen:
            lines = ((number, text) for number, text in file if text.strip())
            sample = list(islice(lines, SAMPLE_LINES))
            shape = shape_of([text for _, text in sample])
            batch = Batch(source=f"file {self.path.name}"[:64], options=self.options)
            try:
                for number, text in chain(sample[shape.has_header :], lines):
                    self._take(_Line(number, text), shape, seen, batch)
                    if self.counts.read % self.options.batch_size == 0:
                        on_progress(file.bytes_read, file.size)
            finally:
                self.ignored = tuple(shape.ignored)
                self._flush(batch, seen)
            on_progress(file.size, file.size)

    def _take(self, line: _Line, shape: Shape, seen: Seen, batch: Batch) -> None:
        self.counts.read += 1
        try:
            require_length(line.text)
            told = to_round(shape.values(line.text))
        except BadLine as error:
            self._reject(line, str(error))
            return
        sight = seen.look(told, line.number)
        if sight is Sight.DIFFERENT:
            self._flush(batch, seen)  # the first line may turn out to be rejected; then this one stands
            sight = seen.look(told, line.number)
        if sight is Sight.REPEATED:
            self.counts.repeated += 1
        elif sight is Sight.DIFFERENT:
            self._reject(line, f"Differs from line {seen.line_of(told.game_id)}, which stands.")
        else:
            self._lines[told.game_id] = line
            batch.add(told)
            if batch.full:
                self._flush(batch, seen)

    def _flush(self, batch: Batch, seen: Seen) -> None:
        outcome = batch.record()
        self.counts += outcome.counts
        for told, reason in outcome.rejected:
            seen.forget(told.game_id)
            self._reject(self._lines[told.game_id], reason)
        self._lines.clear()

    def _reject(self, line: _Line, reason: str) -> None:
        self.counts.rejected += 1
        self.report.add(file=str(self.path), line=line.number, reason=reason, text=line.text)
