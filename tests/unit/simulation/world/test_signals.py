import numpy as np
import pytest

from aiops_mcp.simulation.signals import (
    Bending,
    Curve,
    Kind,
    Shape,
    Signal,
    SignalBlock,
    lifetime,
    rate_bend,
)
from aiops_mcp.simulation.steps import changes

T0 = 1_764_000_000.0
HOUR = np.arange(T0, T0 + 3600.0, 15.0)


def one(signal: Signal, times=HOUR):
    return SignalBlock([signal]).evaluate(np.asarray(times, dtype=float))


def counter(**fields) -> Signal:
    return Signal(Kind.COUNTER, 7, **{"base": 3.0, "resets": (T0 - 86400.0,), **fields})


def test_a_plain_counter_rises_at_exactly_its_rate():
    values, present = one(counter())
    assert present is None
    assert np.allclose(np.diff(values[0]), 45.0, rtol=1e-6)
    assert values[0, 0] == pytest.approx(3.0 * 86400.0)


def test_a_noisy_counter_never_falls_and_keeps_its_rate_over_days():
    times = np.arange(T0, T0 + 4 * 86400.0, 15.0)
    values, _ = one(counter(swing=0.5, noise=0.5), times)
    steps = np.diff(values[0])
    assert steps.min() >= 0.0
    assert steps.std() > 1.0
    assert values[0, -1] - values[0, 0] == pytest.approx(3.0 * (times[-1] - times[0]), rel=0.01)


def test_a_sample_does_not_depend_on_what_else_is_asked():
    signal = counter(swing=0.3, noise=0.4)
    whole, _ = one(signal)
    assert one(signal, HOUR[100:103])[0][0] == pytest.approx(whole[0, 100:103], rel=1e-12)
    gauge = Signal(Kind.GAUGE, 9, base=5.0, noise=0.4, swing=0.1)
    whole, _ = SignalBlock([counter(), gauge]).evaluate(HOUR)
    assert one(gauge, HOUR[60:61])[0][0, 0] == pytest.approx(whole[1, 60], rel=1e-12)


@pytest.mark.parametrize(
    ("bending", "amount", "rate"),
    [(Bending.FACTOR, 4.0, 12.0), (Bending.ADD, 5.0, 8.0), (Bending.SET, 0.5, 0.5)],
)
def test_a_step_bends_a_counters_rate_exactly_and_only_while_it_lasts(bending, amount, rate):
    curve = Curve(T0 + 600.0, T0 + 1200.0, Shape.STEP, bending, amount)
    values, _ = one(counter(bend=rate_bend([curve])))
    rates = np.diff(values[0]) / 15.0
    assert rates[:39] == pytest.approx(3.0)
    assert rates[41:79] == pytest.approx(rate)
    assert rates[81:] == pytest.approx(3.0)


def test_a_ramp_bends_a_counter_to_its_full_height_and_back():
    curve = Curve(T0 + 600.0, T0 + 3000.0, Shape.RAMP, Bending.FACTOR, 5.0, period=600.0)
    values, _ = one(counter(bend=rate_bend([curve])))
    rates = np.diff(values[0]) / 15.0
    assert (np.diff(rates[40:80]) >= -1e-9).all()
    assert 8.0 < rates[60] < 10.0
    assert rates[90] == pytest.approx(15.0)
    assert rates[-1] == pytest.approx(3.0)


def test_several_bends_of_one_counter_multiply():
    curves = [
        Curve(T0 + 600.0, T0 + 1800.0, Shape.STEP, Bending.FACTOR, 2.0),
        Curve(T0 + 1200.0, T0 + 2400.0, Shape.STEP, Bending.FACTOR, 3.0),
    ]
    values, _ = one(counter(bend=rate_bend(curves)))
    rates = np.diff(values[0]) / 15.0
    assert [rates[60], rates[100], rates[140], rates[200]] == pytest.approx([6.0, 18.0, 9.0, 3.0])


def test_a_counter_starts_again_from_zero_at_each_reset():
    values, _ = one(counter(resets=(T0 - 100.0, T0 + 900.0, T0 + 1800.0)))
    falls = np.flatnonzero(np.diff(values[0]) < 0)
    assert falls.tolist() == [59, 119]
    assert values[0, 60] == pytest.approx(0.0)
    assert values[0, 61] == pytest.approx(45.0)


def test_gauges_bend_step_ramp_sawtooth_pulse():
    def shaped(shape, bending=Bending.SET, amount=100.0, **more):
        curve = Curve(T0 + 600.0, T0 + 3000.0, shape, bending, amount, period=600.0, **more)
        return one(Signal(Kind.GAUGE, 1, base=10.0, curves=(curve,)))[0][0]

    assert shaped(Shape.STEP)[[39, 40, 199, 200]].tolist() == [10.0, 100.0, 100.0, 10.0]
    assert shaped(Shape.RAMP)[[40, 60, 80, 120]] == pytest.approx([10.0, 55.0, 100.0, 100.0])
    assert shaped(Shape.SAWTOOTH)[[40, 60, 80, 100]] == pytest.approx([10.0, 55.0, 10.0, 55.0])
    assert shaped(Shape.PULSE)[[40, 65, 85]].tolist() == [100.0, 10.0, 100.0]
    assert shaped(Shape.STEP, Bending.ADD, -4.0)[50] == 6.0
    assert shaped(Shape.STEP, Bending.FACTOR, 0.5)[50] == 5.0
    lives = shaped(Shape.SAWTOOTH, starts=(T0 + 600.0, T0 + 1500.0))
    assert lives[[40, 60, 100]] == pytest.approx([10.0, 55.0, 10.0])


def test_gauges_stay_within_their_bounds_and_whole_numbers_are_whole():
    signal = Signal(Kind.GAUGE, 3, base=95.0, noise=0.5, floor=0.0, ceiling=100.0, whole=True)
    values, _ = one(signal)
    assert values.max() == 100.0
    assert values.min() < 90.0
    assert (values == np.floor(values)).all()


def test_steps_and_presence_follow_the_truth():
    state = changes(0.0, [(T0 + 600.0, 1.0), (T0 + 1200.0, 2.0)])
    signal = Signal(Kind.STEPS, 0, steps=state, present=lifetime(T0 + 300.0, T0 + 1500.0))
    values, present = one(signal)
    assert values[0, [39, 40, 79, 80]].tolist() == [0.0, 1.0, 1.0, 2.0]
    assert present is not None
    assert np.flatnonzero(present[0])[[0, -1]].tolist() == [20, 99]
    gaps = changes(True, [(T0 + 300.0, False), (T0 + 600.0, True)])
    _, present = one(Signal(Kind.GAUGE, 0, base=1.0, present=gaps))
    assert np.flatnonzero(~present[0]).tolist() == list(range(20, 40))
