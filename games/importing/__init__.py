"""Rounds from files: csv, JSON lines and what scrapers leave behind, streamed into `record_games`."""

from games.importing.counts import Counts
from games.importing.importer import FileImport
from games.importing.lines import BadLine, UnreadableFile
from games.importing.recording import Options
from games.importing.report import Report, UnwritableReport

__all__ = ["BadLine", "Counts", "FileImport", "Options", "Report", "UnreadableFile", "UnwritableReport"]
