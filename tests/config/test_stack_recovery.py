"""The whole stack, real processes and servers: whatever is killed comes back, and games go on being recorded."""

import psutil
import pytest
import redis

from tests.config.running_stack import SERVICES, RunningStack

pytestmark = pytest.mark.timeout(400)

RECOVERY_SECONDS = 60.0  # about ten on an idle machine: what Django takes to start


@pytest.fixture
def stack(tmp_path):
    stack = RunningStack(tmp_path / "data")
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


def client(stack) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(stack.data / "valkey" / "valkey.sock"))


def kill(stack, name) -> None:
    before = stack.service(name)
    before.kill()
    stack.wait_until(lambda: (now := stack.service(name)) and now != before)
    assert f"{name} was ended by SIGKILL; restarting in 0.5 s" in stack.printed()


def wait_for_recovery(stack) -> float:
    """Return the seconds until the web server responds and a new game was recorded, sent and applied."""
    seconds = stack.wait_until(lambda: stack.get("/readyz") is not None, RECOVERY_SECONDS)
    head = stack.applied_head()
    return seconds + stack.wait_until(lambda: stack.applied_head() > head, RECOVERY_SECONDS)


def test_every_killed_service_is_restarted_and_games_are_recorded_again(stack, capsys):
    """One test and one stack, because its start takes longer than most recoveries."""
    client(stack).set("kept", "value")
    for name in SERVICES:
        kill(stack, name)
        seconds = wait_for_recovery(stack)
        with capsys.disabled():
            print(f"\n{name}: recovered {seconds:.1f} s after SIGKILL", end="")  # noqa: T201
    assert client(stack).get("kept") == b"value", "Valkey came back without its data"

    web = stack.service("web")
    (worker,) = (child for child in web.children() if "granian" in " ".join(child.cmdline()))
    worker.kill()
    stack.wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    wait_for_recovery(stack)
    assert stack.service("web") == web, "Granian replaces its own workers"
