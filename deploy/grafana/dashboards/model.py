"""Panels and dashboards as Grafana (10 or later) imports them."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24

# What a state or a share means, in every panel alike.
GOOD, WARNING, BAD = "green", "orange", "red"
COLORS = {
    "SUCCEEDED": GOOD, "FAILED": BAD, "CANCELLED": "purple", "RUNNING": "blue", "QUEUED": "yellow", "RETRY_WAIT": WARNING,
    "succeeded": GOOD, "failed": WARNING, "crashed": BAD, "killed": "dark-red", "cancelled": "purple", "drained": "blue",
}


def steps(*pairs):
    """Thresholds: a colour from the start, then (value, colour) upwards."""
    first, rest = pairs[0], pairs[1:]
    return {"mode": "absolute",
            "steps": [{"color": first, "value": None}] + [{"color": color, "value": value} for value, color in rest]}


PLAIN = steps(GOOD)


def _targets(queries, instant, form):
    """`queries`: pairs of an expression and the legend of its series."""
    return [{"refId": chr(ord("A") + i), "datasource": DATASOURCE, "editorMode": "code", "expr": expression,
             "legendFormat": legend, "instant": instant, "range": not instant, "format": form}
            for i, (expression, legend) in enumerate(queries)]


def _panel(kind, title, description, unit, queries, width, height, *, thresholds=PLAIN, low=None, high=None, decimals=None,
           custom=None, options=None, instant=False, form="time_series", color="palette-classic"):
    defaults = {"unit": unit, "thresholds": thresholds, "color": {"mode": color}, "custom": custom or {}, "mappings": []}
    for key, value in (("min", low), ("max", high), ("decimals", decimals)):
        if value is not None:
            defaults[key] = value
    # Series that are named by a state or a reason have its colour.
    named = [name for name in COLORS if any(legend in ("{{state}}", "{{reason}}") for _, legend in queries)]
    overrides = [{"matcher": {"id": "byName", "options": name},
                  "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": COLORS[name]}}]} for name in named]
    return {"type": kind, "title": title, "description": description, "datasource": DATASOURCE,
            "gridPos": {"w": width, "h": height}, "fieldConfig": {"defaults": defaults, "overrides": overrides},
            "options": options or {}, "targets": _targets(queries, instant, form)}


def series(title, description, unit, *queries, width=8, height=8, stacked=False, bars=False, **more):
    """Lines over time."""
    custom = {"drawStyle": "bars" if bars else "line", "fillOpacity": 60 if bars or stacked else 10, "lineWidth": 1,
              "showPoints": "auto", "spanNulls": False, "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
              "thresholdsStyle": {"mode": "line" if "thresholds" in more else "off"}}
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return _panel("timeseries", title, description, unit, queries, width, height, custom=custom, options=options,
                  **{"low": 0, **more})


def stat(title, description, unit, *queries, width=3, height=4, text="auto", **more):
    """One number now, or one for each series; `text` "value_and_name" also says which."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
               "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": text}
    return _panel("stat", title, description, unit, queries, width, height, options=options, color="thresholds", **more)


def bars(title, description, unit, *queries, width=8, height=8, **more):
    """One bar a series, over the time range."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "displayMode": "gradient",
               "orientation": "horizontal", "showUnfilled": True, "minVizWidth": 0, "minVizHeight": 10}
    return _panel("bargauge", title, description, unit, queries, width, height, options=options, instant=True, low=0, **more)


def heatmap(title, description, unit, query, width=8, height=8):
    """How a histogram's observations are spread, over time."""
    options = {"calculate": False, "cellGap": 1, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
               "yAxis": {"unit": unit, "axisPlacement": "left"}, "rowsFrame": {"layout": "auto"},
               "tooltip": {"show": True, "yHistogram": True}, "legend": {"show": True}, "filterValues": {"le": 1e-9}}
    return _panel("heatmap", title, description, unit, [(query, "{{le}}")], width, height, options=options, form="heatmap")


def timeline(title, description, query, legend, names, width=24, height=6):
    """States over time; `names`: value -> (text, colour)."""
    options = {"showValue": "never", "rowHeight": 0.9, "mergeValues": True, "alignValue": "left",
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
               "tooltip": {"mode": "single", "sort": "none"}}
    panel = _panel("state-timeline", title, description, "none", [(query, legend)], width, height, options=options,
                   custom={"fillOpacity": 70, "lineWidth": 0}, color="thresholds")
    panel["fieldConfig"]["defaults"]["mappings"] = [
        {"type": "value", "options": {str(value): {"text": text, "color": color, "index": index}
                                      for index, (value, (text, color)) in enumerate(names.items())}}]
    return panel


def _lay_out(rows):
    """Panels flow from left to right, below the title of their row."""
    panels, y = [], 0
    for title, members in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})
        x, y, height = 0, y + 1, 0
        for panel in members:
            grid = panel["gridPos"]
            if x + grid["w"] > COLUMNS:
                x, y, height = 0, y + height, 0
            panels.append({**panel, "gridPos": {"x": x, "y": y, **grid}})
            x, height = x + grid["w"], max(height, grid["h"])
        y += height
    return [{"id": index, **panel} for index, panel in enumerate(panels, start=1)]


def _variables():
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0,
         "includeAll": False, "multi": False, "options": [], "regex": "", "current": {}},
        {"name": "instance", "label": "Server", "type": "query", "datasource": DATASOURCE, "refresh": 2, "sort": 1, "hide": 0,
         "query": {"query": "label_values(kprune_build_info, instance)", "refId": "instance"}, "includeAll": True,
         "allValue": ".*", "multi": True, "options": [], "regex": "",
         "current": {"selected": True, "text": ["All"], "value": ["$__all"]}},
        {"name": "window", "label": "Count over", "type": "custom", "query": "5m,15m,1h,6h,1d", "hide": 0, "includeAll": False,
         "multi": False, "current": {"selected": True, "text": "1h", "value": "1h"},
         "options": [{"text": text, "value": text, "selected": text == "1h"} for text in ("5m", "15m", "1h", "6h", "1d")]},
    ]


def dashboard(uid, title, description, rows):
    return {
        "uid": uid, "title": title, "description": description, "tags": ["kprune"], "schemaVersion": 38, "version": 1,
        "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "title": "kprune", "tags": ["kprune"], "asDropdown": False, "includeVars": True,
                   "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "annotations": {"list": [{"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True,
                                  "hide": True, "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts",
                                  "type": "dashboard"}]},
        "templating": {"list": _variables()}, "panels": _lay_out(rows),
    }


def of(metric, labels="", by="", over="$window", function="increase"):
    """sum by (by) (function(metric{labels, of the chosen servers}[over]))."""
    selector = ", ".join(part for part in (labels, 'instance=~"$instance"') if part)
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} ({function}({metric}{{{selector}}}[{over}]))"


def quantile(share, metric, labels="", by="", over="$window"):
    """A quantile of a histogram's observations of the last `over`."""
    return f"histogram_quantile({share}, {of(metric + '_bucket', labels, ', '.join(part for part in ('le', by) if part), over)})"


def mean(metric, labels="", by="", over="$window"):
    """The mean of a histogram's observations of the last `over`."""
    return f"{of(metric + '_sum', labels, by, over)} / {of(metric + '_count', labels, by, over)}"
