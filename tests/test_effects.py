"""Main effects and interaction equal textbook formulas by hand and SciPy, and hold in simulations."""

import itertools

import numpy as np
import pytest
from scipy import stats

from lednet_mm.effects import cross, difference, effects

NETWORK = [4.0, -4.0]
RECIPE = [1.0, 0.5, -1.5]


def simulated(rng, both=0.0, seeds=5, noise=0.5):
    """Simulate scores of 2 networks with 3 recipes; ``both`` is an interaction in one cell."""
    table = 50 + np.array(NETWORK)[:, None, None] + np.array(RECIPE)[None, :, None]
    table = table + rng.normal(0, 3, seeds)  # a good seed is good for all
    table = table + rng.normal(0, noise, (2, 3, seeds))
    table[0, 0] += both
    return table


def test_effects_by_hand():
    """With two networks, recipes and seeds, every number can be computed by hand."""
    scores = [[[50.0, 52.0], [40.0, 44.0]], [[46.0, 46.0], [44.0, 46.0]]]
    found = effects(scores)
    # Per seed: network means (45, 48) and (45, 46), recipe means (48, 49) and (42, 45), all (45, 47).
    assert [e.value for e in found.rows] == pytest.approx([0.5, -0.5])
    assert [e.value for e in found.columns] == pytest.approx([2.5, -2.5])
    assert found.interaction[0][0].value == pytest.approx((2.0 + 2.0) / 2)
    assert found.interaction[0][1].value == pytest.approx(-2.0)
    half = stats.t.ppf(0.975, 1) * np.std([3.0, 2.0], ddof=1) / np.sqrt(2)
    assert (found.columns[0].low, found.columns[0].high) == pytest.approx((2.5 - half, 2.5 + half))
    squares = np.array([2 * (0.5**2 + 0.5**2), 2 * (2.5**2 + 2.5**2), 4 * 2.0**2])
    tests = (found.row_test, found.column_test, found.interaction_test)
    assert [one.share for one in tests] == pytest.approx(squares / squares.sum())
    assert [one.degrees for one in tests] == [(1, 1)] * 3


def test_intervals_are_those_of_scipys_paired_t_test():
    table = simulated(np.random.default_rng(0), both=2.0)
    by_seed = table.mean(1)
    paired = stats.ttest_rel(by_seed[0], by_seed[1])
    found = difference(table, 0, 1)
    interval = paired.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, paired.pvalue))
    recipes = table.mean(0)
    paired = stats.ttest_rel(recipes[2], recipes[1])
    assert difference(table.swapaxes(0, 1), 2, 1).p == pytest.approx(paired.pvalue)


def anova_by_regression(table, term):
    """Return F of a term against its interaction with the seeds, from residual sums of squares of dummies."""
    rows, columns, seeds = table.shape
    cells = list(itertools.product(range(rows), range(columns), range(seeds)))
    y = np.array([table[cell] for cell in cells])

    def dummies(*axes):
        levels = list(itertools.product(*(range(table.shape[axis]) for axis in axes)))
        return np.array([[float(tuple(c[a] for a in axes) == level) for level in levels] for c in cells])

    def residual(terms):
        x = np.hstack([np.ones((len(cells), 1)), *(dummies(*axes) for axes in terms)])
        fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
        return ((y - fitted) ** 2).sum(), len(y) - np.linalg.matrix_rank(x)

    everything = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    if len(term) == 1:  # sequential sums of squares in a balanced table do not depend on the order
        others = [other for other in everything if not set(term) <= set(other)]
        without, df0 = residual(others)
        with_it, df1 = residual([*others, term])
        error_term = (*term, 2)
        rest = [other for other in everything if not set(error_term) <= set(other) and other != (0, 1, 2)]
        before, e0 = residual([*rest])
        after, e1 = residual([*rest, error_term])
    else:
        without, df0 = residual([one for one in everything if one != term])
        with_it, df1 = residual(everything)
        before, e0, after, e1 = with_it, df1, 0.0, 0
    f = ((without - with_it) / (df0 - df1)) / ((before - after) / (e0 - e1))
    return f, (df0 - df1, e0 - e1)


@pytest.mark.parametrize("term", [(0,), (1,), (0, 1)])
def test_the_tests_are_those_of_a_regression_on_dummies(term):
    table = simulated(np.random.default_rng(3), both=1.0, seeds=4)
    found = effects(table)
    test = {(0,): found.row_test, (1,): found.column_test, (0, 1): found.interaction_test}[term]
    f, degrees = anova_by_regression(table, term)
    assert test.f == pytest.approx(f)
    assert test.degrees == degrees
    assert test.p == pytest.approx(stats.f.sf(f, *degrees))


def test_sums_are_those_of_effects():
    table = simulated(np.random.default_rng(1), both=3.0)
    found = effects(table)
    assert sum(e.value for e in found.rows) == pytest.approx(0)
    assert sum(e.value for e in found.columns) == pytest.approx(0)
    for i, j in itertools.product(range(2), range(3)):
        parts = found.rows[i].value + found.columns[j].value + found.interaction[i][j].value
        assert table.mean() + parts == pytest.approx(table[i, j].mean())
    tests = (found.row_test, found.column_test, found.interaction_test)
    assert sum(one.share for one in tests) == pytest.approx(1)


def test_what_the_seeds_share_is_in_no_interval():
    """A seed that is better in all cells widens no interval; one that is better in one cell does."""
    table = simulated(np.random.default_rng(2))
    shifted = table + np.array([0, 10, -7, 3, 25])
    assert effects(shifted).rows[0].low == pytest.approx(effects(table).rows[0].low)
    before = effects(table).rows[0]
    table[0, 0, 0] += 5
    after = effects(table).rows[0]
    assert after.high - after.low > 2 * (before.high - before.low)


@pytest.mark.thorough
def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(4)
    held = np.zeros(3)
    false_alarms, count = 0, 600
    for _ in range(count):
        found = effects(simulated(rng, seeds=3))
        truths = (NETWORK[0], RECIPE[2], 0.0)
        for k, (estimate, truth) in enumerate(
            zip((found.rows[0], found.columns[2], found.interaction[0][0]), truths, strict=True)
        ):
            held[k] += estimate.low <= truth <= estimate.high
        false_alarms += found.interaction_test.p < 0.05
    # Three standard errors of 95% in 600 are 2.7 points.
    assert np.abs(100 * held / count - 95) == pytest.approx(np.zeros(3), abs=2.7)
    assert 100 * false_alarms / count == pytest.approx(5, abs=2.7)
    found = effects(simulated(rng, both=4.0))
    assert found.interaction_test.p < 0.01
    assert found.interaction[0][0].is_resolved


def test_one_seed_has_effects_but_no_intervals():
    found = effects(simulated(np.random.default_rng(5), seeds=1))
    assert (found.rows[0].low, found.rows[0].p, found.row_test.f) == (None, None, None)
    assert not found.rows[0].is_resolved
    assert found.row_test.share > 0.5


def test_scores_without_any_noise():
    table = np.zeros((2, 2, 3)) + np.array([1.0, -1.0])[:, None, None]
    found = effects(table)
    assert (found.rows[0].low, found.rows[0].high, found.rows[0].p) == (1.0, 1.0, 0.0)
    assert (found.columns[0].p, found.row_test.share, found.row_test.f) == (1.0, 1.0, None)
    assert effects(np.full((2, 2, 3), 0.1)).row_test.share is None


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.zeros((1, 2, 3)), "two levels of each factor"),
        (np.zeros((2, 2)), "two levels of each factor"),
        (np.zeros((2, 2, 0)), "two levels of each factor"),
        ([[[1.0, np.nan]] * 2] * 2, "every cell needs every seed"),
    ],
)
def test_scores_that_are_no_table_are_refused(scores, words):
    with pytest.raises(ValueError, match=words):
        effects(scores)


def test_runs_are_paired_by_the_seeds_that_all_have():
    scores = {
        ("lednet", "common"): {0: 50.0, 1: 52.0, 2: 51.0},
        ("lednet", "authors"): {1: 44.0, 0: 40.0},
        ("erfnet", "common"): {0: 46.0, 1: 46.0},
        ("erfnet", "authors"): {0: 44.0, 1: 46.0, 7: 0.0},
    }
    table = cross(scores)
    assert (table.rows, table.columns, table.seeds) == (("lednet", "erfnet"), ("common", "authors"), (0, 1))
    assert table.scores.tolist() == [[[50.0, 52.0], [40.0, 44.0]], [[46.0, 46.0], [44.0, 46.0]]]
    with pytest.raises(ValueError, match="no run of erfnet with authors"):
        cross({key: cell for key, cell in scores.items() if key != ("erfnet", "authors")})
    with pytest.raises(ValueError, match="no seed that every combination"):
        cross({**scores, ("erfnet", "authors"): {5: 1.0}})
    with pytest.raises(ValueError, match="two of each factor"):
        cross({key: cell for key, cell in scores.items() if key[0] == "lednet"})
