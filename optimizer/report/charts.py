"""Bokeh charts for the page and for notebooks; their numbers come from :mod:`optimizer.report.figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from optimizer.documents import MovesCurve
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import MINUTES_PER_DAY, SLOTS_PER_DAY, format_minute
from optimizer.report.figures import HalfHours, LoadProfile, ServiceHours, half_hour_labels
from optimizer.report.formats import short_id, shorten

if TYPE_CHECKING:
    from bokeh.models.renderers import DataRenderer
    from bokeh.plotting import figure

TODAY_COLOR, PLAN_COLOR, LOAD_COLOR, LIMIT_COLOR = "#c2570c", "#0f7c94", "#6b7280", "#b42318"
"""Colors that people with any common color blindness can tell apart, on white and on near-black."""

FloatArray = npt.NDArray[np.float64]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
MIN_WIDTH = 300
"""Width in pixels that a chart never goes below, the width of a phone. A chart takes the width of its container, and
a container that takes the width of its charts, such as a plain row in a notebook, would make it almost 0."""

HEAT_STEPS = 24
SINGLE_LIGHT, SINGLE_DARK = "#d3d9e1", "#333d49"
"""Color of a window that overlaps no other."""


def heat_palette(*, dark: bool = False) -> tuple[str, ...]:
    """Colors from two overlapping windows to many: the more windows, the stronger the contrast with the page."""
    from bokeh.palettes import cividis

    colors = cividis(HEAT_STEPS + 3)
    return tuple(colors[3:]) if dark else tuple(reversed(colors[:-3]))


def heat_top(hours: ServiceHours) -> int:
    """Number of windows that the last color represents, in both charts."""
    return max(3, int(hours.today.max(initial=0)), int(hours.plan.max(initial=0)))


def heat_map(hours: ServiceHours, which: Literal["today", "plan"]) -> figure:
    """Draw the number of overlapping windows of each service in each half hour of a UTC day."""
    from bokeh.models import ColumnDataSource, FixedTicker, LinearAxis, LogColorMapper, Range1d
    from bokeh.transform import transform

    counts, other = (hours.today, hours.plan) if which == "today" else (hours.plan, hours.today)
    row, slot = np.nonzero(counts)
    labels = half_hour_labels()
    source = ColumnDataSource(
        {
            "hour": slot / 2 + 0.25,
            "row": row.astype(np.int32),
            "windows": counts[row, slot].astype(np.int32),
            "other": other[row, slot].astype(np.int32),
            "service": [hours.names[index] for index in row.tolist()],
            "time": [labels[index] for index in slot.tolist()],
        },
        name="heat",
    )
    plot = _day_figure(height=74 + 15 * max(len(hours.names), 4))
    plot.y_range = Range1d(start=len(hours.names) - 0.4, end=-0.6)
    plot.yaxis.ticker = FixedTicker(ticks=list(range(len(hours.names))))
    plot.yaxis.major_label_overrides = {index: shorten(short_id(name), 18) for index, name in enumerate(hours.names)}
    plot.ygrid.grid_line_color = None
    colors = LogColorMapper(
        palette=heat_palette(), low=2, high=heat_top(hours), low_color=SINGLE_LIGHT, name="heat-colors"
    )
    cells = plot.rect(
        "hour", "row", 0.5, 0.88, source=source, fill_color=transform("windows", colors), line_color=None
    )
    peaks = LinearAxis()
    peaks.update(
        ticker=FixedTicker(ticks=list(range(len(hours.names)))),
        major_label_overrides={index: f"{peak}" for index, peak in enumerate(counts.max(axis=1).tolist())},
    )
    plot.add_layout(peaks, "right")
    _set_axes(plot)
    then = "in the plan" if which == "today" else "today"
    _hover(plot, [cells], [("", "@service"), ("from", "@time"), ("windows", "@windows"), (then, "@other")])
    return plot


def risk_chart(hours: HalfHours) -> figure:
    """Draw the at-risk backups by the half hour (UTC) in which their windows begin, today and in the plan."""
    from bokeh.models import ColumnDataSource, DataRange1d

    edges = np.arange(SLOTS_PER_DAY) / 2
    source = ColumnDataSource(
        {
            "left_today": edges + 0.03,
            "right_today": edges + 0.25,
            "left_plan": edges + 0.25,
            "right_plan": edges + 0.47,
            "today": hours.risk_today,
            "plan": hours.risk_plan,
            "starts_today": hours.starts_today,
            "starts_plan": hours.starts_plan,
            "time": list(half_hour_labels()),
        },
        name="risk",
    )
    plot = _day_figure(height=230)
    plot.y_range = DataRange1d(start=0)
    plot.yaxis.axis_label = "at risk per 30 days"
    bars = [
        plot.quad(
            left=f"left_{which}", right=f"right_{which}", top=which, bottom=0, source=source, fill_color=color,
            line_color=None,
        )
        for which, color in (("today", TODAY_COLOR), ("plan", PLAN_COLOR))
    ]  # fmt: skip
    rows = [
        ("from", "@time"),
        ("at risk today", "@today{0.00}"),
        ("at risk in the plan", "@plan{0.00}"),
        ("starts per day today", "@starts_today{0.0}"),
        ("starts per day in the plan", "@starts_plan{0.0}"),
    ]
    _hover(plot, bars, rows)
    return plot


def moves_chart(curve: MovesCurve) -> figure:
    """Draw cost, bound and at-risk backups by the number of moves, with the knee marked."""
    from bokeh.models import ColumnDataSource, DataRange1d
    from bokeh.plotting import figure

    points = curve.points
    source = ColumnDataSource(
        {
            "moves": [point.max_moves for point in points],
            "cost": [point.cost for point in points],
            "bound": [point.bound for point in points],
            "at_risk": [point.at_risk_per_month for point in points],
            "share": [100 * point.gain_share for point in points],
            "policies": [point.policy_writes for point in points],
        }
    )
    plot = figure(
        height=230, min_width=MIN_WIDTH, sizing_mode="stretch_width", toolbar_location=None, tools="",
        background_fill_color=None,
        border_fill_color=None, outline_line_color=None, min_border_right=8, x_axis_label="VMs that move",
        y_axis_label="per 30 days",
    )  # fmt: skip
    plot.y_range = DataRange1d(start=0)
    plot.line("moves", "at_risk", source=source, line_color=LOAD_COLOR, line_width=2)
    plot.line("moves", "bound", source=source, line_color=LIMIT_COLOR, line_dash="dashed")
    plot.line("moves", "cost", source=source, line_color=PLAN_COLOR, line_width=2)
    dots = plot.scatter("moves", "cost", source=source, size=7, color=PLAN_COLOR)
    if curve.knee is not None:
        plot.vspan(x=[curve.knee], line_color=LOAD_COLOR, line_dash="dotted")
    _set_axes(plot)
    rows = [
        ("moves", "@moves"),
        ("cost", "@cost{0.0}"),
        ("no schedule below", "@bound{0.0}"),
        ("at risk per 30 days", "@at_risk{0.0}"),
        ("policies written", "@policies"),
        ("of the gain", "@share{0.0} %"),
    ]
    _hover(plot, [dots], rows)
    return plot


def load_chart(profile: LoadProfile, threshold: Threshold) -> figure:
    """Draw one VM's load by time of day, with its start windows of today and of the plan."""
    values = {
        "cpu": _numbers(profile.cpu_mean),
        "cpu_p95": _numbers(profile.cpu_p95),
        "memory": _numbers(profile.memory_mean),
        "busy": 100 * _numbers(profile.busy_share),
    }
    return _load_figure(values, profile.windows_today, profile.windows_plan, threshold)


def empty_load_chart(steps: int, threshold: Threshold) -> figure:
    """Chart like :func:`load_chart` for a page to fill; its sources are ``load``, ``window-today``, ``window-plan``.

    Parameters
    ----------
    steps
        Number of steps of the day.
    """
    unknown = np.full(steps, np.nan)
    return _load_figure(dict.fromkeys(("cpu", "cpu_p95", "memory", "busy"), unknown), (), (), threshold)


def _load_figure(
    values: Mapping[str, FloatArray],
    today: Sequence[tuple[int, int]],
    plan: Sequence[tuple[int, int]],
    threshold: Threshold,
) -> figure:
    """Figure of a day; ``values`` have one value per step of the day, and windows are in minutes of the day."""
    from bokeh.models import ColumnDataSource, Range1d

    plot = _day_figure(height=320)
    plot.y_range = Range1d(start=0, end=104)
    plot.yaxis.axis_label = "percent"
    for which, color, pattern in (("today", TODAY_COLOR, "right_diagonal_line"), ("plan", PLAN_COLOR, None)):
        windows = today if which == "today" else plan
        bounds = {"left": [begin / 60 for begin, _ in windows], "right": [end / 60 for _, end in windows]}
        plot.quad(
            left="left", right="right", top=104, bottom=0, source=ColumnDataSource(bounds, name=f"window-{which}"),
            fill_color=color, fill_alpha=0.13 if pattern else 0.24, line_color=color, line_alpha=0.7,
            hatch_pattern=pattern, hatch_color=color, hatch_alpha=0.35, hatch_scale=9, hatch_weight=1,
        )  # fmt: skip
    steps = len(values["cpu"])
    minutes = np.arange(steps) * (MINUTES_PER_DAY // steps)
    times = {"hour": minutes / 60, "time": [format_minute(minute) for minute in minutes.tolist()]}
    source = ColumnDataSource({**times, **values}, name="load")
    plot.varea("hour", "cpu", "cpu_p95", source=source, fill_color=LOAD_COLOR, fill_alpha=0.28)
    cpu = plot.line("hour", "cpu", source=source, line_color=LOAD_COLOR, line_width=2)
    plot.line("hour", "memory", source=source, line_color=LOAD_COLOR, line_width=1.5, line_dash="dotted")
    limits = sorted({threshold.cpu_percent, threshold.memory_percent})
    plot.hspan(y=limits, line_color=LIMIT_COLOR, line_dash="dashed", name="limits")
    rows = [
        ("at", "@time"),
        ("CPU, mean", "@cpu{0.0} %"),
        ("CPU, 95th percentile", "@cpu_p95{0.0} %"),
        ("memory, mean", "@memory{0.0} %"),
        ("days above the limit", "@busy{0} %"),
    ]
    _hover(plot, [cpu], rows, mode="vline")
    return plot


def busy_chart(busy_vms: FloatArray, starts: FloatArray) -> figure:
    """Draw the number of busy VMs (line) and of backups that start (bars) by UTC time of day.

    Parameters
    ----------
    busy_vms
        Expected number of VMs above the threshold during the snapshot of a backup that is set to each time; one value
        per step of the day.
    starts
        Shape (48,): starts per day in each half hour.
    """
    from bokeh.models import ColumnDataSource, DataRange1d, LinearAxis

    plot = _day_figure(height=260)
    plot.y_range = DataRange1d(start=0)
    plot.yaxis.axis_label = "starts per day"
    labels = list(half_hour_labels())
    bars = ColumnDataSource({"hour": np.arange(SLOTS_PER_DAY) / 2 + 0.25, "starts": starts, "time": labels})
    drawn = plot.vbar(x="hour", top="starts", width=0.42, source=bars, fill_color=SINGLE_LIGHT, line_color=None)
    line = plot.line(np.arange(len(busy_vms)) * 24 / len(busy_vms), busy_vms, line_color=TODAY_COLOR, line_width=2)
    plot.extra_y_ranges = {"busy": DataRange1d(start=0, renderers=[line])}
    plot.y_range.renderers = [drawn]
    line.y_range_name = "busy"
    plot.add_layout(LinearAxis(y_range_name="busy", axis_label="busy VMs"), "right")
    _set_axes(plot)
    _hover(plot, [drawn], [("from", "@time"), ("starts per day", "@starts{0.0}")])
    return plot


def set_title(plot: figure, text: str) -> None:
    """Give a chart a title, for places that have no heading of their own."""
    plot.title.update(text=text, text_font=FONT, text_font_size="13px")  # type: ignore[union-attr]  # a Title


def _numbers(values: tuple[float | None, ...]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _day_figure(height: int) -> figure:
    """Figure whose x-axis is a day; it ignores wheel and drag, so that the page can be scrolled over it."""
    from bokeh.models import FixedTicker, Range1d
    from bokeh.plotting import figure

    plot = figure(
        height=height, min_width=MIN_WIDTH, sizing_mode="stretch_width", toolbar_location=None, tools="",
        x_range=Range1d(start=0, end=24), background_fill_color=None, border_fill_color=None,
        outline_line_color=None, min_border_right=8,
    )  # fmt: skip
    plot.xaxis.ticker = FixedTicker(ticks=list(range(0, 25, 3)))
    plot.xaxis.major_label_overrides = {hour: f"{hour:02d}" for hour in range(0, 25, 3)}
    _set_axes(plot)
    return plot


def _set_axes(plot: figure) -> None:
    for axis in plot.axis:
        axis.update(
            major_label_text_font=FONT, major_label_text_font_size="11px", axis_label_text_font=FONT,
            axis_label_text_font_size="11px", axis_label_text_font_style="normal", minor_tick_line_color=None,
            major_tick_line_color=None, axis_line_color=None,
        )  # fmt: skip


def _hover(
    plot: figure,
    renderers: Sequence[DataRenderer],
    rows: list[tuple[str, str]],
    mode: Literal["mouse", "vline"] = "mouse",
) -> None:
    from bokeh.models import HoverTool

    plot.add_tools(HoverTool(renderers=list(renderers), tooltips=rows, mode=mode, point_policy="follow_mouse"))
