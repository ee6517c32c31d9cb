"""A pytest plugin for `make fuzz`: it reports how many histories ran in all processes."""

_finished: list[int] = []


def pytest_runtest_logreport(report):
    if report.when == "teardown":  # the last report of a test, forwarded from the process that ran it
        _finished.extend(value for name, value in report.user_properties if name == "histories")


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"{sum(_finished):,} histories ran in {len(_finished)} shards.")
