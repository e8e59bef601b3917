//! A picture of the dashboard's layout for the documentation, drawn from the dashboard itself. It shows no data: that
//! would take Grafana, or invention.

use std::{env, fmt::Write, fs};

use serde_json::Value;

use crate::{chart::repository, dashboard::dashboard};

/// Pixels of one cell of Grafana's grid.
const CELL: (i64, i64) = (40, 22);
const GAP: i64 = 4;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What kind of drawing Grafana makes of the panel, hinted at.
fn drawing(kind: &str, x: i64, y: i64, width: i64, height: i64) -> String {
    let line = |y: i64| format!(r##"<path d="M{x} {y}h{width}" stroke="#d0d5dd"/>"##);
    match kind {
        "stat" => format!(
            r##"<text x="{}" y="{}" font-size="26" text-anchor="middle" fill="#98a2b3">#</text>"##,
            x + width / 2,
            y + height - 8
        ),
        "table" => (1..height / 20).map(|row| line(y + row * 20)).collect(),
        _ => format!(r##"<path d="M{x} {y}v{height}h{width}" stroke="#98a2b3" fill="none"/>"##),
    }
}

fn panel(panel: &Value) -> String {
    let at = |key: &str| panel["gridPos"][key].as_i64().unwrap();
    let (x, y) = (at("x") * CELL.0 + GAP, at("y") * CELL.1 + GAP);
    let (width, height) = (at("w") * CELL.0 - 2 * GAP, at("h") * CELL.1 - 2 * GAP);
    let (title, kind) = (escaped(panel["title"].as_str().unwrap()), panel["type"].as_str().unwrap());
    if kind == "row" {
        return format!(r#"<text x="{x}" y="{}" font-size="14" font-weight="bold">{title}</text>"#, y + 13);
    }
    format!(
        r##"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#fff" stroke="#d0d5dd"/>
<text x="{}" y="{}" font-size="12">{title}</text>
{}"##,
        x + 8,
        y + 17,
        drawing(kind, x + 12, y + 28, width - 24, height - 40)
    )
}

fn drawn(dashboard: &Value) -> String {
    let panels = dashboard["panels"].as_array().unwrap();
    let end = |panel: &Value| panel["gridPos"]["y"].as_i64().unwrap() + panel["gridPos"]["h"].as_i64().unwrap();
    let height = panels.iter().map(end).max().unwrap() * CELL.1 + GAP;
    let width = 24 * CELL.0;
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" fill="#344054">
<rect width="{width}" height="{height}" fill="#f2f4f7"/>
"##
    );
    for one in panels {
        writeln!(picture, "{}", panel(one)).unwrap();
    }
    picture + "</svg>\n"
}

#[test]
fn the_picture_in_the_documentation_has_the_layout_of_the_dashboard() {
    let (path, picture) = (repository().join("docs/dashboard.svg"), drawn(&dashboard()));
    if env::var_os("UPDATE_DASHBOARD").is_some() {
        fs::write(&path, &picture).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == picture, "docs/dashboard.svg is out of date: UPDATE_DASHBOARD=1 cargo test --test monitoring");
}
