"""Date and time formats of Django's own pages, those of the admin. The site's templates name their formats."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i:s T"
DATE_INPUT_FORMATS = ["%Y-%m-%d"]
