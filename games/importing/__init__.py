"""Import rounds from csv files, JSON lines and scrapers' files, streamed into `record_games`."""

from games.importing.counts import Counts
from games.importing.importer import FileImport
from games.importing.lines import BadLine, UnreadableFile
from games.importing.recording import Options
from games.importing.report import Report, UnwritableReport

__all__ = ["BadLine", "Counts", "FileImport", "Options", "Report", "UnreadableFile", "UnwritableReport"]
