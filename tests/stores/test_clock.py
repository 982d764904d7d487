"""The clock that is moved by hand."""

from failover.stores.simulated import ManualClock


def test_calls_are_made_in_time_and_then_in_the_order_of_asking() -> None:
    clock, made = ManualClock(), list[str]()
    clock.call_later(2.0, lambda: made.append("late"))
    clock.call_later(1.0, lambda: made.append("first"))
    clock.call_later(1.0, lambda: made.append("second"))
    clock.call_later(0.0, lambda: made.append("at once"))
    assert made == []
    clock.run_until(1.5)
    assert made == ["at once", "first", "second"]
    assert clock.now() == 1.5
    assert clock.step()
    assert clock.now() == 2.0
    assert made[-1] == "late"
    assert not clock.step()


def test_a_cancelled_call_is_not_made() -> None:
    clock, made = ManualClock(), list[str]()
    call = clock.call_later(1.0, lambda: made.append("no"))
    call.cancel()
    assert clock.next_due() is None
    clock.run_until(5.0)
    assert made == []
    call.cancel()


def test_a_call_may_ask_for_another() -> None:
    clock, made = ManualClock(), list[float]()

    def again() -> None:
        made.append(clock.now())
        if len(made) < 3:
            clock.call_later(1.0, again)

    clock.call_later(1.0, again)
    clock.run_until(10.0)
    assert made == [1.0, 2.0, 3.0]
