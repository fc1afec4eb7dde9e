"""The seasonal estimate: the probability of risk at each time of day, from counts of days and a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.model.timegrid import MINUTES_PER_DAY

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SMOOTHING_HOURS = 1.5
"""Standard deviation of the circular Gaussian over the time of day, in hours.

With a month of the Bitbrains trace and the default shrinkage, the regret closed is the same within 3 points for all
widths up to 2 h. Short histories need smoothing: with two weeks and no shrinkage, it closes 6 to 21 points more of the
regret than no smoothing does.
"""

_ALMOST_ONE = 1 - 1e-9


def smooth_time_of_day(values: npt.ArrayLike) -> FloatArray:
    """Smooth the last axis, which spans a day, with a circular Gaussian.

    Parameters
    ----------
    values
        Shape (..., num_starts).

    Returns
    -------
    numpy.ndarray
        Same shape as ``values``, with the same mean over the day.
    """
    rough = np.asarray(values, dtype=np.float64)
    num_starts = rough.shape[-1]
    steps = np.arange(num_starts)
    hours = np.minimum(steps, num_starts - steps) * (MINUTES_PER_DAY / 60 / num_starts)
    weights = np.exp(-0.5 * (hours / SMOOTHING_HOURS) ** 2)
    weights /= weights.sum()
    smooth = np.zeros_like(rough)
    # A loop, not a matrix product: BLAS sums in an order that depends on the machine and on its threads.
    for step in steps:
        smooth += weights[step] * np.roll(rough, step, axis=-1)
    return smooth


def divide_known(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> FloatArray:
    """Quotient of two arrays; NaN if the denominator is not positive."""
    below = np.asarray(denominator, dtype=np.float64)
    quotient = np.full(below.shape, np.nan)
    np.divide(numerator, below, out=quotient, where=below > 0)
    return quotient


def fleet_profile(risk_sum: npt.ArrayLike, day_count: npt.ArrayLike) -> FloatArray:
    """Hour-of-day profile of the VMs that were at risk at least once, scaled to mean 1.

    All these VMs have the same weight, however often they were at risk.

    Parameters
    ----------
    risk_sum, day_count
        Shape (V, num_starts); see :class:`optimizer.risk.history.RiskHistory`.

    Returns
    -------
    numpy.ndarray
        Shape (num_starts,); 1 at every start if no VM was ever at risk.
    """
    sums = np.asarray(risk_sum)
    counts = np.asarray(day_count)
    ever = sums.max(axis=1, initial=0) > 0
    rates = divide_known(sums[ever], counts[ever])
    profile = np.nan_to_num(divide_known(np.nansum(rates, axis=0), (~np.isnan(rates)).sum(axis=0)))
    mean = float(profile.mean())
    return profile / mean if mean > 0 else np.ones(sums.shape[1])


def scale_profile(level: npt.ArrayLike, profile: FloatArray) -> FloatArray:
    """Probability of a VM that follows the fleet's hours at its own level: its odds are ``level * f : 1 - level``.

    For small levels this is ``level * f[t]``. Unlike that product, it always stays below 1, and it promises no quiet
    hours to a VM that is always at risk.

    Parameters
    ----------
    level
        Shape (V,): mean probability over the day.
    profile
        Shape (num_starts,): the fleet's profile ``f``, mean 1.

    Returns
    -------
    numpy.ndarray
        Shape (V, num_starts): probabilities from 0 to 1.
    """
    share = np.minimum(np.asarray(level, dtype=np.float64), _ALMOST_ONE)[:, None]
    weighted = share * profile
    return np.asarray(weighted / (1 - share + weighted))


@dataclass(frozen=True, slots=True)
class SeasonalEstimate:
    """Estimate from some days of history, before the VM's own hours and the fleet's hours are blended.

    Parameters
    ----------
    own
        Shape (V, num_starts): smoothed frequency of being at risk.
    prior
        Shape (V, num_starts): the fleet's hours at the VM's own level.
    num_days
        Shape (V,): number of days of history behind ``own``.
    """

    own: FloatArray
    prior: FloatArray
    num_days: FloatArray

    def probability(self, prior_days: float) -> FloatArray:
        """Blend own and fleet hours: ``(n * own + k * prior) / (n + k)``, n days of history, k = ``prior_days``."""
        days = self.num_days[:, None]
        weight = np.divide(days, days + prior_days, out=np.zeros_like(days), where=days > 0)
        return weight * self.own + (1 - weight) * self.prior


def estimate_season(
    risk_sum: npt.ArrayLike, day_count: npt.ArrayLike, num_days: npt.ArrayLike, profile: FloatArray
) -> SeasonalEstimate:
    """Estimate each VM from its own counts, smoothed over the time of day.

    Sums and counts are smoothed separately and then divided, so that hours known on few days have little weight.

    Parameters
    ----------
    risk_sum, day_count
        Shape (V, num_starts): sum, over the known days, of the share of delays at risk; number of known days.
    num_days
        Shape (V,): number of usable days.
    profile
        Shape (num_starts,): the fleet's profile, mean 1.
    """
    smooth = smooth_time_of_day(risk_sum), smooth_time_of_day(day_count)
    return season_from_smooth(*smooth, num_days, profile)


def season_from_smooth(
    smooth_sum: FloatArray, smooth_count: FloatArray, num_days: npt.ArrayLike, profile: FloatArray
) -> SeasonalEstimate:
    """Make the estimate from smoothed sums and counts; smoothing is linear, so sums over blocks can be added."""
    own = np.nan_to_num(divide_known(smooth_sum, smooth_count))
    prior = scale_profile(own.mean(axis=1), profile)
    return SeasonalEstimate(own, prior, np.asarray(num_days, dtype=np.float64))


FLEET_TO_BELIEVE = 10
"""Number of other busy VMs at which the fleet's profile gets half of its weight.

Fleets of 2 to 25 busy VMs, drawn at random from the Bitbrains trace, lose nothing by this discount (within one point
of the regret closed). On copies with shifted clocks they gain up to 5 points.
"""


SMALL_FLEET = 16
"""Number of other busy VMs up to which four weeks of own evidence are not shrunk toward the fleet.

For fleets of 4, 8, 12 and 16 busy VMs of the Bitbrains trace, with a month of history, the regret closed without the
fleet's profile does not differ significantly (50 or 60 pairs each, t below 2). The same holds for copies with shifted
clocks. With 25 and 40 busy VMs of the trace it is 2 points lower.
"""

LARGE_FLEET = 32
"""Number of other busy VMs from which own evidence of any length is shrunk toward the fleet in full."""

SHORT_HISTORY_DAYS = 14
"""Days of history up to which a small fleet uses its profile in full.

With two weeks of history, small fleets lose up to 10 points of the regret closed without the fleet's profile.
"""

LONG_HISTORY_DAYS = 28
"""Days of history that count as a full month of own evidence."""


def share_believed(num_busy: int, num_days: float) -> float:
    """How much weight the fleet's hours get in the forecasts of its VMs, from 0 to 1.

    The profile of one or two neighbors is not the profile of a fleet. Without this factor, a server that was never
    busy at noon in a month would get its neighbor's noon as its forecast.

    Parameters
    ----------
    num_busy
        Number of VMs that were at risk at least once.
    num_days
        Typical number of usable days of history of these VMs.
    """
    others = max(num_busy - 1, 0)
    is_small = _share(LARGE_FLEET - others, LARGE_FLEET - SMALL_FLEET)
    knows_itself = _share(num_days - SHORT_HISTORY_DAYS, LONG_HISTORY_DAYS - SHORT_HISTORY_DAYS)
    return others / (others + FLEET_TO_BELIEVE) * (1 - is_small * knows_itself)


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0)
