"""Against the worst reward of the cone in closed form, solved occupancy measures, and finely stepped gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError, SettingsError
from gnomon.limits.geometric import angle, ascent, centring, projection, stop

tasks = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(0.02, math.pi / 2 - 0.02))


def worst(step_K, proxy_K, theta):
    """The unit reward at angle theta of the proxy that falls most along a step: turned away from it in their plane."""
    along, towards = step_K / np.linalg.norm(step_K), proxy_K / np.linalg.norm(proxy_K)
    across = along - (along @ towards) * towards
    return math.cos(theta) * towards - math.sin(theta) * across / np.linalg.norm(across)


def in_cone(rng, towards_K, theta, project_KK):
    """A random unit reward at exactly this angle."""
    towards = towards_K / np.linalg.norm(towards_K)
    across = project_KK @ rng.normal(size=len(towards))
    across -= (across @ towards) * towards
    return math.cos(theta) * towards + math.sin(theta) * across / np.linalg.norm(across)


def bandit(seed, actions):
    rng = np.random.default_rng(seed)
    return rng, rng.dirichlet(np.ones(actions)) * 0.9 + 0.1 / actions, rng.normal(size=actions) + 5


@settings(max_examples=150, deadline=None)
@given(tasks)
def test_before_the_stop_no_reward_of_the_cone_falls_and_after_it_the_worst_does(task):
    seed, actions, theta = task
    _, start_A, proxy_A = bandit(seed, actions)
    path_PA, project_AA = ascent(start_A, proxy_A), centring(actions)
    at = stop(occupancy_PK=path_PA, proxy_K=proxy_A, angle=theta, projection_KK=project_AA)
    gold_A = project_AA @ proxy_A
    for i, step_A in enumerate(np.diff(path_PA, axis=0)):
        phi = angle(step_A, proxy_A, project_AA)
        if phi < 1e-6:  # straight along the proxy there is no plane to turn in, and nothing at less than pi/2 falls
            assert i < at
            continue
        worst_A = worst(step_A, gold_A, theta)
        assert angle(worst_A, proxy_A, project_AA) == pytest.approx(theta, abs=1e-6)
        change = float(worst_A @ step_A) / float(np.linalg.norm(step_A))
        assert change == pytest.approx(math.cos(phi + theta), abs=1e-6)
        assert change >= -1e-9 if i < at else True
        assert change < 1e-9 if i == at else True


@settings(max_examples=100, deadline=None)
@given(tasks)
def test_it_is_pessimistic(task):
    """Rewards drawn from the cone never peak before the stop, and none is lower there than at the start."""
    seed, actions, theta = task
    rng, start_A, proxy_A = bandit(seed, actions)
    if actions < 3:  # two actions leave one direction, and no cone
        return
    path_PA, project_AA = ascent(start_A, proxy_A), centring(actions)
    at = stop(occupancy_PK=path_PA, proxy_K=proxy_A, angle=theta, projection_KK=project_AA)
    for _ in range(20):
        gold_P = path_PA @ in_cone(rng, project_AA @ proxy_A, theta * math.sqrt(rng.random()), project_AA)
        assert (np.diff(gold_P[: at + 1]) >= -1e-9).all()


def test_most_rewards_of_the_cone_still_rise_at_the_stop():
    later = []
    for seed in range(200):
        rng, start_A, proxy_A = bandit(seed, 30)
        path_PA, project_AA = ascent(start_A, proxy_A), centring(30)
        at = stop(occupancy_PK=path_PA, proxy_K=proxy_A, angle=math.radians(60), projection_KK=project_AA)
        gold_P = path_PA @ in_cone(rng, project_AA @ proxy_A, math.radians(60), project_AA)
        later.append(gold_P.argmax() > at)
    assert sum(later) > 180


def test_ends():
    _, start_A, proxy_A = bandit(0, 6)
    path_PA, project_AA = ascent(start_A, proxy_A), centring(6)
    stops = [
        stop(occupancy_PK=path_PA, proxy_K=proxy_A, angle=theta, projection_KK=project_AA)
        for theta in (0.0, 0.3, 0.9, 1.57)
    ]
    assert stops == sorted(stops, reverse=True)
    assert stops[0] == len(path_PA) - 1  # a proxy that is the gold never stops
    assert stops[-1] <= 1


def test_ascent_is_the_projected_gradient_flow():
    _, policy_A, reward_A = bandit(3, 5)
    corners_PA = ascent(policy_A, reward_A)
    assert corners_PA.sum(axis=1) == pytest.approx(1)
    assert (corners_PA >= 0).all()
    assert corners_PA[-1].argmax() == reward_A.argmax()
    assert corners_PA[-1].max() == pytest.approx(1)
    slopes = np.diff(corners_PA @ reward_A) / np.linalg.norm(np.diff(corners_PA, axis=0), axis=1)
    assert (np.diff(slopes) < 1e-12).all()
    # Small steps along the reward, each projected onto the simplex (by sorting), pass every corner.
    nearest = np.full(len(corners_PA), np.inf)
    for _ in range(6000):
        nearest = np.minimum(nearest, np.linalg.norm(corners_PA - policy_A, axis=1))
        moved = policy_A + 1e-3 * reward_A
        down = np.sort(moved)[::-1]
        levels = (np.cumsum(down) - 1) / np.arange(1, 6)
        policy_A = np.maximum(moved - levels[np.flatnonzero(down > levels)[-1]], 0)
    assert nearest.max() < 5e-3


def task_of(rng, states, actions):
    return rng.dirichlet(np.ones(states), size=(states, actions)), rng.dirichlet(np.ones(states))


def occupancy(policy_SA, transition_SAS, start_S, discount):
    """Discounted share of time in each pair, from the linear equations of the chain."""
    chain_SS = np.einsum("sa,sat->st", policy_SA, transition_SAS)
    time_S = np.linalg.solve(np.eye(len(start_S)) - discount * chain_SS.T, (1 - discount) * start_S)
    return (time_S[:, None] * policy_SA).ravel()


def test_projection_keeps_exactly_the_directions_of_the_polytope():
    rng, states, actions = np.random.default_rng(0), 4, 3
    transition_SAS, start_S = task_of(rng, states, actions)
    project_KK = projection(transition_SAS, 0.9)
    policies = rng.dirichlet(np.ones(actions), size=(30, states))
    measures = np.array([occupancy(p, transition_SAS, start_S, 0.9) for p in policies])
    directions = measures - measures[0]
    np.testing.assert_allclose(directions @ project_KK, directions, atol=1e-12)
    np.testing.assert_allclose(project_KK @ project_KK, project_KK, atol=1e-12)
    assert np.linalg.matrix_rank(directions, tol=1e-9) == round(np.trace(project_KK)) == states * (actions - 1)
    np.testing.assert_allclose(centring(5), np.eye(5) - 0.2, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.5))
def test_the_same_holds_on_any_path_of_a_task_with_states(seed, theta):
    rng, states, actions = np.random.default_rng(seed), 3, 3
    transition_SAS, start_S = task_of(rng, states, actions)
    proxy_K, project_KK = rng.normal(size=states * actions), projection(transition_SAS, 0.8)
    logits = np.zeros((states, actions))
    path = []
    for _ in range(12):  # not the steepest path: the rule does not ask for it
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        path.append(occupancy(weights / weights.sum(axis=1, keepdims=True), transition_SAS, start_S, 0.8))
        logits = logits + 0.7 * proxy_K.reshape(states, actions) + rng.normal(0, 0.1, size=logits.shape)
    at = stop(occupancy_PK=np.array(path), proxy_K=proxy_K, angle=theta, projection_KK=project_KK)
    for step_K in np.diff(path[: at + 1], axis=0):
        assert worst(step_K, project_KK @ proxy_K, theta) @ step_K >= -1e-9


def test_what_cannot_be_judged_is_refused():
    path_PA = np.array([[0.5, 0.5], [0.9, 0.1]])
    right = {"occupancy_PK": path_PA, "proxy_K": np.array([1.0, 0.0]), "angle": 0.5, "projection_KK": centring(2)}
    assert stop(**right) == 1
    for wrong in (-0.1, math.pi / 2):
        with pytest.raises(SettingsError, match="pi/2"):
            stop(**{**right, "angle": wrong})
    with pytest.raises(DataError, match="twice in a row"):
        stop(**{**right, "occupancy_PK": path_PA[[0, 0]]})
    with pytest.raises(DataError, match="each entry"):
        stop(**{**right, "proxy_K": np.ones(3)})
    with pytest.raises(DataError, match="same for every policy"):
        angle(np.ones(2), np.array([1.0, 0.0]), centring(2))
    for start in ([1.0, 0.0], [0.5, 0.6], [1.0]):
        with pytest.raises(DataError, match="positive"):
            ascent(np.array(start), np.array([1.0, 0.0]))
    with pytest.raises(DataError, match="sum to 1"):
        projection(np.ones((2, 2, 2)), 0.5)
    with pytest.raises(DataError, match="discount"):
        projection(np.ones((1, 2, 1)), 1.0)
