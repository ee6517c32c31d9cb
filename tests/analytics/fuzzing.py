"""A plugin for `make fuzz`: says how many histories ran, over all processes."""

_finished: list[int] = []


def pytest_runtest_logreport(report):
    if report.when == "teardown":  # the last word on a test, in whichever process it ran
        _finished.extend(value for name, value in report.user_properties if name == "histories")


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"{sum(_finished):,} histories ran in {len(_finished)} shards.")
