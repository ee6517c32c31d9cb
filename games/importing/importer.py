"""Import one file into the table: lines -> rounds -> batches -> `record_games`."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from games.importing.counts import Counts
from games.importing.formats import FileFormat, detect_format
from games.importing.lines import BadLine, LineFile, require_length
from games.importing.recording import Batch, Options
from games.importing.repeats import Repeat, RepeatDetector
from games.importing.report import Report
from games.importing.values import to_round

SAMPLE_LINES = 20  # a scraper's file may begin with lines of NAN


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


class FileImport:
    """The import of one file. After an exception in `run`, `counts` holds what had been recorded before it."""

    def __init__(self, path: Path, options: Options, report: Report) -> None:
        self.path = path
        self.counts = Counts()
        self.ignored: tuple[str, ...] = ()
        self.options = options
        self.report = report
        self._lines: dict[int, _Line] = {}  # the lines of the current batch by game id

    def run(self, on_progress: Callable[[int, int], None] = lambda done, size: None) -> None:
        """Import the file. `on_progress` receives the bytes read and the size of the file.

        Raises UnreadableFile, OSError, EOFError and zlib.error (a broken gzip), django.db.Error.
        """
        with LineFile(self.path) as file, RepeatDetector() as repeats:
            lines = ((number, text) for number, text in file if text.strip())
            sample = list(islice(lines, SAMPLE_LINES))
            file_format = detect_format([text for _, text in sample])
            batch = Batch(source=f"file {self.path.name}"[:64], options=self.options)
            try:
                for number, text in chain(sample[file_format.has_header :], lines):
                    self._process_line(_Line(number, text), file_format, repeats, batch)
                    if self.counts.read % self.options.batch_size == 0:
                        on_progress(file.bytes_read, file.size)
            finally:
                self.ignored = tuple(file_format.ignored)
                self._flush(batch, repeats)
            on_progress(file.size, file.size)

    def _process_line(self, line: _Line, file_format: FileFormat, repeats: RepeatDetector, batch: Batch) -> None:
        self.counts.read += 1
        try:
            require_length(line.text)
            round_ = to_round(file_format.values(line.text))
        except BadLine as error:
            self._reject(line, str(error))
            return
        repeat = repeats.check(round_, line.number)
        if repeat is Repeat.DIFFERENT:
            self._flush(batch, repeats)  # the table may reject the first line; then this line is recorded instead
            repeat = repeats.check(round_, line.number)
        if repeat is Repeat.REPEATED:
            self.counts.repeated += 1
        elif repeat is Repeat.DIFFERENT:
            first = repeats.line_of(round_.game_id)
            self._reject(line, f"Differs from line {first}, which was recorded for this game.")
        else:
            self._lines[round_.game_id] = line
            batch.add(round_)
            if batch.full:
                self._flush(batch, repeats)

    def _flush(self, batch: Batch, repeats: RepeatDetector) -> None:
        result = batch.record()
        self.counts += result.counts
        for round_, reason in result.rejected:
            repeats.forget(round_.game_id)
            self._reject(self._lines[round_.game_id], reason)
        self._lines.clear()

    def _reject(self, line: _Line, reason: str) -> None:
        self.counts.rejected += 1
        self.report.add(file=str(self.path), line=line.number, reason=reason, text=line.text)
