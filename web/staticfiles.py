"""How static files are stored in production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Compressed files, named by their content so that browsers may keep them for ever; imports between modules too."""

    support_js_module_import_aggregation = True
