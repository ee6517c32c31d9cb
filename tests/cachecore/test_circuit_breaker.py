from cachecore.redis_client.circuit_breaker import CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_closed_until_a_failure_and_then_open_for_its_time():
    clock = Clock()
    breaker = CircuitBreaker(1.0, clock)
    assert (breaker.allow(), breaker.state) == (True, "closed")
    breaker.record_failure()
    assert (breaker.allow(), breaker.state) == (False, "open")
    clock.now = 0.999
    assert not breaker.allow()


def test_one_caller_probes_and_its_success_closes_it():
    clock = Clock()
    breaker = CircuitBreaker(1.0, clock)
    breaker.record_failure()
    clock.now = 1.0
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    assert breaker.state == "half-open"
    breaker.record_success()
    assert [breaker.allow() for _ in range(3)] == [True, True, True]


def test_a_failed_probe_opens_it_again():
    clock = Clock()
    breaker = CircuitBreaker(1.0, clock)
    breaker.record_failure()
    clock.now = 1.0
    assert breaker.allow()
    breaker.record_failure()
    clock.now = 1.5
    assert not breaker.allow()
    clock.now = 2.0
    assert breaker.allow()


def test_a_probe_that_ends_without_an_outcome_goes_to_the_next_caller():
    clock = Clock()
    breaker = CircuitBreaker(1.0, clock)
    breaker.record_failure()
    clock.now = 1.0
    assert breaker.allow()
    breaker.release_probe()
    assert breaker.allow()


def test_it_reports_when_an_outage_begins_and_how_long_it_was():
    clock = Clock()
    breaker = CircuitBreaker(1.0, clock)
    assert breaker.record_success() is None
    assert [breaker.record_failure(), breaker.record_failure()] == [True, False]
    clock.now = 12.25
    assert breaker.allow()
    assert not breaker.record_failure()  # a failed probe belongs to the same outage
    clock.now = 12.5
    assert [breaker.record_success(), breaker.record_success()] == [12.5, None]
    assert breaker.record_failure()
