"""The geometric stopping rule for tabular tasks: go on while no reward within an angle of the proxy can fall.

Occupancy measures form a polytope, so a reward matters only by its projection M R onto the polytope's directions. A
step along which the proxy climbs at less than sin(theta) ||M R|| is one along which a reward at angle theta falls.
It needs the transitions and theta, which is assumed and not measured; where the true reward is known there are better
stops. It is pessimistic: it stops for the worst reward of the cone, which in many dimensions is a rare one.
Source: Karwowski et al. 2310.09144 (the geometry, steepest ascent, optimal stopping).
Departs: `ascent` covers bandits only, where the path is exact.
Shapes: `S` states, `A` actions, `K` pairs of both (K = A in a bandit), `P` policies on a path. Units: radians.
Fails: closed; an angle outside [0, pi/2), a repeated policy or unequal lengths raise. Too small an angle is not seen.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError, SettingsError

Floats = NDArray[np.float64]


def projection(transition_SAS: Floats, discount: float) -> Floats:
    """M of the occupancy measures of a task, `K x K`: onto the directions in which they can differ.

    Occupancy measures obey one flow equation a state; M removes what those equations fix.
    """
    states, actions, _ = np.shape(transition_SAS)
    if not np.allclose(np.sum(transition_SAS, axis=2), 1) or not 0 <= discount < 1:
        raise DataError("transitions have to sum to 1 over the next state, with a discount from 0 to below 1")
    leaving_SK = np.repeat(np.eye(states), actions, axis=1)
    flow_SK = leaving_SK - discount * np.reshape(transition_SAS, (states * actions, states)).T
    found: Floats = np.eye(states * actions) - np.linalg.pinv(flow_SK) @ flow_SK
    return found


def centring(actions: int) -> Floats:
    """M of a bandit: what all actions have in common cannot be earned.

    >>> (centring(2) @ [3.0, 1.0]).round(12).tolist()
    [1.0, -1.0]
    """
    return projection(np.ones((1, actions, 1)), 0.0)


def angle(reward_K: Floats, other_K: Floats, projection_KK: Floats) -> float:
    """Angle between two rewards as far as policies can tell them apart, radians."""
    one_K, two_K = projection_KK @ reward_K, projection_KK @ other_K
    lengths = float(np.linalg.norm(one_K) * np.linalg.norm(two_K))
    if lengths <= 1e-12 * float(np.linalg.norm(reward_K) * np.linalg.norm(other_K)):
        raise DataError("a reward is the same for every policy; it has no angle to another")
    return math.acos(min(1.0, max(-1.0, float(one_K @ two_K) / lengths)))


def ascent(start_A: Floats, reward_A: Floats) -> Floats:
    """Corners of the steepest ascent of a bandit's policy, `P x A`, from a positive start to the best actions.

    Straight until an action is never taken any more; it stays so, as the mean of the others only grows.
    """
    policy_A, reward_A = np.array(start_A, dtype=float), np.asarray(reward_A, dtype=float)
    if policy_A.shape != reward_A.shape or not (policy_A > 0).all() or not math.isclose(policy_A.sum(), 1):
        raise DataError("ascent starts from one positive probability to each action, with sum 1")
    path, held_A = [policy_A], np.ones(len(policy_A), dtype=bool)
    while np.ptp(reward_A[held_A]) > 0:
        slope_A = np.where(held_A, reward_A - reward_A[held_A].mean(), 0.0)
        falling_A = slope_A < 0
        until_A = np.divide(policy_A, -slope_A, out=np.full(len(policy_A), np.inf), where=falling_A)
        gone_A = until_A <= until_A.min() * (1 + 1e-12)
        policy_A = np.where(gone_A, 0.0, policy_A + until_A.min() * slope_A)
        held_A = held_A & ~gone_A
        path.append(policy_A)
    return np.stack(path)


def stop(*, occupancy_PK: Floats, proxy_K: Floats, angle: float, projection_KK: Floats) -> int:
    """Index of the policy to stop at: the step from it is the first that is too flat; the last if none is.

    Up to there no reward within `angle` of the proxy is lower than at any policy before.
    """
    if not 0 <= angle < math.pi / 2:
        raise SettingsError(f"the angle is {angle} rad; from pi/2 on the proxy says nothing: write one from 0 to below")
    steps_PK = np.diff(occupancy_PK, axis=0)
    lengths_P = np.linalg.norm(steps_PK, axis=1)
    if np.shape(occupancy_PK)[1:] != np.shape(proxy_K) or not (lengths_P > 0).all():
        raise DataError("a path needs one number to each entry of the proxy, and no policy twice in a row")
    slopes_P = steps_PK @ proxy_K / lengths_P
    flat_P = np.flatnonzero(slopes_P < math.sin(angle) * np.linalg.norm(projection_KK @ proxy_K))
    return int(flat_P[0]) if len(flat_P) else len(steps_PK)
