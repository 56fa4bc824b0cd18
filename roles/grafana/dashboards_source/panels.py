# SPDX-License-Identifier: GPL-3.0-or-later
"""The few kinds of panel there are, so that a dashboard reads as a list of what it shows."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat_model
from grafana_foundation_sdk.models import prometheus as query_model

_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_GOOD_IS_ONE = ((None, "red"), (1.0, "green"))
_GOOD_IS_ZERO = ((None, "green"), (1.0, "red"))
_ANNOTATED = 'ALERTS{alertstate="firing", severity=~"critical|warning"}'


# Of a figure that engines have of a strategy: the one of its holder.
HELD = "and on (instance, strategy) engine_lease_seconds_left > 0"


def board(uid: str, title: str, says: str, *, shows: list, variables: tuple[tuple[str, str], ...] = ()) -> dashboard.Dashboard:
    """A dashboard of the last hour. shows: rows and panels; variables: name, and the query of its values, each may be several or all."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(says)
        .tags(["hft"])
        .refresh("5s")
        .time("now-1h", "now")
        .timezone("utc")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for name, query in variables:
        made.with_variable(
            dashboard.QueryVariable(name)
            .query(query)
            .datasource(_SOURCE)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
        )
    for one in shows:
        made = made.with_row(one) if isinstance(one, dashboard.Row) else made.with_panel(one)
    return made.annotation(dashboard.AnnotationQuery().name("Alerts").datasource(_SOURCE).enable(True).icon_color("red").expr(_ANNOTATED))


def row(title: str) -> dashboard.Row:
    return dashboard.Row(title)


def _query(expression: str, legend: str, *, instant: bool = False, form: query_model.PromQueryFormat | None = None) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(_SOURCE)
    made = made.instant() if instant else made.range()
    return made.format(form) if form else made


def _steps(steps: tuple[tuple[float | None, str], ...]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def state(title: str, expression: str, legend: str, *, good: int = 1, unit: str = "none", says: str = "", span: int = 6) -> stat.Panel:
    """What is so now, green where it is as it should be: good is 1, or 0."""
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(_SOURCE)
        .unit(unit)
        .height(5)
        .span(span)
        .with_target(_query(expression, legend, instant=True))
        .thresholds(_steps(_GOOD_IS_ONE if good else _GOOD_IS_ZERO))
        .color_mode(shapes.BigValueColorMode.BACKGROUND)
        .graph_mode(shapes.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def lines(
    title: str,
    *queries: tuple[str, str],
    unit: str = "short",
    says: str = "",
    span: int = 12,
    stacked: bool = False,
    logarithmic: bool = False,
) -> timeseries.Panel:
    """Lines over time; queries: expression and legend."""
    made = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(_SOURCE)
        .unit(unit)
        .height(8)
        .span(span)
        .line_width(1)
        .fill_opacity(30 if stacked else 5)
        .show_points(shapes.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST).placement(shapes.LegendPlacement.BOTTOM).show_legend(True)
        )
    )
    if stacked:
        made.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if logarithmic:
        made.scale_distribution(common.ScaleDistributionConfig().type(shapes.ScaleDistribution.LOG).log(10))
    for expression, legend in queries:
        made.with_target(_query(expression, legend))
    return made


def heat(title: str, expression: str, legend: str, *, buckets: bool, unit: str = "short", says: str = "", span: int = 12) -> heatmap.Panel:
    """A map of time; buckets: the series are those of a histogram, else one row for each series."""
    form = query_model.PromQueryFormat.HEATMAP if buckets else query_model.PromQueryFormat.TIME_SERIES
    color = heatmap.HeatmapColorOptions().mode(heat_model.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    return (
        heatmap.Panel()
        .title(title)
        .description(says)
        .datasource(_SOURCE)
        .height(9)
        .span(span)
        .calculate(False)
        .color(color)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .with_target(_query(expression, legend, form=form))
    )


def listing(title: str, *queries: tuple[str, str], says: str = "", span: int = 12) -> table.Panel:
    """What is so now, one line for each series."""
    made = table.Panel().title(title).description(says).datasource(_SOURCE).height(8).span(span)
    for expression, legend in queries:
        made.with_target(_query(expression, legend, instant=True, form=query_model.PromQueryFormat.TABLE))
    return made
