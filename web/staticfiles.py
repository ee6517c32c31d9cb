"""How static files are stored for production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Compressed, and named by their content so that browsers keep them for ever; imports between modules too."""

    support_js_module_import_aggregation = True
