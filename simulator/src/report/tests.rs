use std::time::Duration;

use serde_json::json;
use sv2::time::Instant;

use super::*;
use crate::figures::Figures;
use crate::world::Tally;

fn chart() -> Chart {
    Chart {
        title: "Stale work".to_owned(),
        x: "latency".to_owned(),
        y: "of all work".to_owned(),
        scales: (Scale::Logarithmic, Scale::Linear),
        names: Vec::new(),
        series: vec![
            Series {
                name: "sv1".to_owned(),
                points: vec![(0.001, 0.0), (0.1, 0.5), (1.0, 1.0)],
                is_formula: false,
            },
            Series {
                name: "closed form".to_owned(),
                points: vec![(0.001, 0.0), (1.0, 1.0)],
                is_formula: true,
            },
        ],
    }
}

#[test]
fn a_point_stands_where_its_numbers_say() {
    let svg = chart().svg();

    // Three decades over 440 pixels: the second point is two thirds of the way; upwards there are
    // 262 pixels for 1.05.
    assert!(svg.contains("points=\"80.0,310.0 373.3,185.2 520.0,60.5\""), "{svg}");
    assert!(svg.contains("stroke-dasharray"), "{svg}");
    assert_eq!(svg, chart().svg());
}

#[test]
fn a_chart_without_points_is_drawn_without_points() {
    let empty = Chart { series: Vec::new(), ..chart() };
    let odd = Series {
        name: "odd".to_owned(),
        points: vec![(f64::NAN, 1.0), (-1.0, f64::INFINITY)],
        is_formula: false,
    };
    let odd = Chart { series: vec![odd], ..chart() };

    for svg in [empty.svg(), odd.svg()] {
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn a_summary_becomes_a_page_with_what_is_in_it() {
    let summary = json!({
        "title": "A farm", "seed": 7, "digest": "00ff", "is_partial": true,
        "roles": [{ "name": "pool", "kind": "pool", "accepted": 12, "stale": 1 }],
        "latencies": [{ "name": "share to answer", "p50": 0.1, "p99": 0.25 }],
        "traffic": [{ "message": "SubmitSharesStandard", "up_bytes": 620, "down_bytes": 0 }],
        "series": [{ "name": "shares", "title": "Shares over time", "x": "s", "y": "shares",
            "lines": [{ "name": "accepted", "points": [[0, 1], [60, 2]] }] }],
    });

    let page = html(&summary);

    for part in [
        "<h1>A farm</h1>",
        "Partial",
        "Shares over time",
        "Shares by role",
        "share to answer",
        "SubmitSharesStandard",
        "Bytes by message and direction",
        "00ff",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    // Nothing is fetched: the name space of SVG is no address that anybody visits.
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains(" src="));
    assert_eq!(page, html(&summary));
}

#[test]
fn a_summary_cannot_bring_markup() {
    let evil = "</title><script>alert(1)</script>\u{1b}\"'";
    let summary = json!({
        "title": evil,
        "roles": [{ "name": evil, "accepted": 1, "last_error": evil }],
        "series": [{ "title": evil, "lines": [{ "name": evil, "points": [[0, 1]] }] }],
        evil: evil,
    });

    let page = html(&summary);

    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
    assert!(html(&json!(null)).contains("</html>"));
}

#[test]
fn a_long_run_has_no_more_samples_than_a_page_can_show() {
    let mut timeline = Timeline::new(Duration::from_secs(10_000));
    for second in 0..=10_000_u64 {
        let now = Instant::ZERO + Duration::from_secs(second);
        if now >= timeline.next_at() {
            let mut pool = Figures::default();
            pool.accepted_count = 2 * second;
            timeline.sample(now, &Tally { roles: vec![pool], ..Tally::default() }, &[]);
        }
    }

    let series = timeline.json();

    let points = series[0]["lines"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 200);
    assert!(points.iter().all(|point| point[1] == json!(2.0)), "{points:?}");
    assert!(html(&json!({ "series": series })).contains("Shares over time"));
}
