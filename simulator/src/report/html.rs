//! A run as one page of HTML, from its `summary.json`: no script, nothing to load, the plots in
//! it as SVG.
//!
//! What a summary does not have is left out of the page. Beside the totals of `assay simulate` it
//! may have series, which become plots:
//!
//! ```json
//! { "series": [{ "name": "shares", "title": "...", "x": "s", "y": "shares", "lines":
//!     [{ "name": "accepted", "points": [[0, 12], [60, 14]] }] }],
//!   "latencies": [{ "name": "...", "p50": 0.1, "p90": 0.2, "p99": 0.3, "max": 0.4 }],
//!   "traffic": [{ "message": "SubmitSharesStandard", "up_bytes": 620, "down_bytes": 0 }] }
//! ```

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::svg::escape;
use super::{Chart, Scale, Series};
use crate::compare::number;

/// The page of a summary. Text of the summary is never markup.
pub fn html(summary: &Value) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, summary);
    page
}

fn write_page(page: &mut String, summary: &Value) -> fmt::Result {
    let title = escape(summary["title"].as_str().unwrap_or("A simulated mining network"));
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    )?;
    if summary["is_partial"] == Value::Bool(true) {
        writeln!(page, "<p class=\"bad\">Partial: the run was interrupted before its end.</p>")?;
    }
    write_totals(page, summary)?;
    for chart in charts(summary) {
        writeln!(page, "<figure>\n{}</figure>", chart.svg())?;
    }
    write_list(page, "Roles", &summary["roles"], ROLE_COLUMNS)?;
    write_list(page, "Fleets as models", &summary["models"], MODEL_COLUMNS)?;
    write_list(page, "Nodes", &summary["nodes"], &["name", "height"])?;
    write_list(page, "Latencies, in seconds", &summary["latencies"], LATENCY_COLUMNS)?;
    write_list(page, "Bytes by message", &summary["traffic"], TRAFFIC_COLUMNS)?;
    write_list(page, "Checks", &summary["checks"], &["name", "verdict", "looked", "violations"])?;
    writeln!(page, "</body>\n</html>")
}

/// Everything of the summary that is a number or a word.
fn write_totals(page: &mut String, summary: &Value) -> fmt::Result {
    writeln!(page, "<table>")?;
    for (key, value) in summary.as_object().into_iter().flatten() {
        let is_single = !(value.is_array() || value.is_object() || value.is_null());
        if is_single && key != "title" {
            let key = escape(&key.replace('_', " "));
            writeln!(page, "<tr><th>{key}</th><td>{}</td></tr>", cell(value))?;
        }
    }
    writeln!(page, "</table>")
}

/// A table of a list of objects, of the columns that any of them has.
fn write_list(page: &mut String, title: &str, list: &Value, columns: &[&str]) -> fmt::Result {
    let Some(rows) = list.as_array().filter(|rows| !rows.is_empty()) else { return Ok(()) };
    let has = |column: &&&str| rows.iter().any(|row| !row[**column].is_null());
    let columns: Vec<&str> = columns.iter().filter(has).copied().collect();
    writeln!(page, "<h2>{}</h2>\n<table>\n<tr>", escape(title))?;
    for column in &columns {
        writeln!(page, "<th>{}</th>", escape(&column.replace('_', " ")))?;
    }
    writeln!(page, "</tr>")?;
    for row in rows {
        let cells: String =
            columns.iter().map(|column| format!("<td>{}</td>", cell(&row[*column]))).collect();
        writeln!(page, "<tr>{cells}</tr>")?;
    }
    writeln!(page, "</table>")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        Value::Number(written) if written.is_f64() => number(written.as_f64().unwrap_or_default()),
        other => escape(&other.to_string()),
    }
}

/// The summary's series, then bars of what it has by name.
fn charts(summary: &Value) -> Vec<Chart> {
    let series = summary["series"].as_array().into_iter().flatten();
    let mut charts: Vec<Chart> = series.filter_map(chart_of).collect();
    charts.extend(bars(
        "Shares by role",
        "shares",
        &summary["roles"],
        "name",
        &["accepted", "rejected", "stale"],
    ));
    charts.extend(bars(
        "Latencies",
        "s",
        &summary["latencies"],
        "name",
        &["p50", "p90", "p99", "max"],
    ));
    charts.extend(bars(
        "Bytes by message and direction",
        "bytes",
        &summary["traffic"],
        "message",
        &["up_bytes", "down_bytes"],
    ));
    charts
}

fn chart_of(series: &Value) -> Option<Chart> {
    let text = |key: &str| series[key].as_str().unwrap_or_default().to_owned();
    let line = |line: &Value| {
        let points = line["points"].as_array()?.iter();
        let points = points.filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?)));
        let name = line["name"].as_str().unwrap_or_default().to_owned();
        Some(Series { name, points: points.collect(), is_formula: false })
    };
    let lines: Vec<Series> = series["lines"].as_array()?.iter().filter_map(line).collect();
    let has_points = lines.iter().any(|line| !line.points.is_empty());
    let title = if text("title").is_empty() { text("name") } else { text("title") };
    has_points.then(|| Chart {
        title,
        x: text("x"),
        y: text("y"),
        scales: (Scale::Linear, Scale::Linear),
        names: Vec::new(),
        series: lines,
    })
}

/// Nothing where there is nothing above zero.
fn bars(title: &str, y: &str, list: &Value, name: &str, columns: &[&str]) -> Option<Chart> {
    let value = |row: &Value, column: &str| row[column].as_f64().unwrap_or_default();
    let rows: Vec<&Value> = list.as_array()?.iter().collect();
    let sum = |row: &Value| columns.iter().map(|column| value(row, column)).sum::<f64>();
    let mut rows: Vec<&Value> = rows.into_iter().filter(|row| sum(row) > 0.0).collect();
    rows.sort_by(|one, other| sum(other).total_cmp(&sum(one)));
    rows.truncate(BARS_MAX);
    let series = columns.iter().map(|column| Series {
        name: column.replace('_', " "),
        points: rows.iter().map(|row| (0.0, value(row, column))).collect(),
        is_formula: false,
    });
    let name = |row: &&Value| row[name].as_str().unwrap_or_default().to_owned();
    (!rows.is_empty()).then(|| Chart {
        title: title.to_owned(),
        x: String::new(),
        y: y.to_owned(),
        scales: (Scale::Linear, Scale::Linear),
        names: rows.iter().map(name).collect(),
        series: series.collect(),
    })
}

const STYLE: &str = "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;margin:1rem 0}\
    th,td{text-align:left;padding:.2rem .8rem;border-bottom:1px solid #ddd}\
    figure{margin:1.5rem 0;overflow-x:auto}.bad{color:#b00020;font-weight:bold}";
const ROLE_COLUMNS: &[&str] = &[
    "name",
    "kind",
    "members",
    "connections",
    "channels",
    "accepted",
    "rejected",
    "stale",
    "jobs",
    "blocks",
    "last_error",
];
const MODEL_COLUMNS: &[&str] = &[
    "name",
    "devices",
    "shares_accepted",
    "shares_stale",
    "stale_part",
    "credited_part",
    "switch_mean_s",
    "targets",
];
const LATENCY_COLUMNS: &[&str] = &["name", "count", "p50", "p90", "p99", "max"];
const TRAFFIC_COLUMNS: &[&str] = &["message", "count", "up_bytes", "down_bytes"];
/// More names than that do not fit below the bars.
const BARS_MAX: usize = 6;
