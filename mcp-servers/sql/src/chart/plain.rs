//! A chart in the simple form that Chart.js takes.

use serde_json::{Value, json};

use super::{Chart, Kind, Mark, Scale, calendar, svg};

pub(super) fn form(chart: &Chart) -> Value {
    let kind = match chart.kind {
        Kind::Bar | Kind::Grouped | Kind::Stacked | Kind::Histogram => "bar",
        Kind::Line => "line",
        Kind::Point => "scatter",
        Kind::Pie => "pie",
    };
    let places = places(chart);
    let labels: Vec<String> = match chart.kind {
        // Its points say themselves where they are.
        Kind::Point => Vec::new(),
        _ => places.iter().map(|mark| chart.place(mark)).collect(),
    };
    let sets = (0..chart.width()).map(|series| set(chart, series, &places));
    json!({
        "chart_type": kind,
        "data": {"labels": labels, "datasets": sets.collect::<Vec<_>>()},
        "options": options(chart),
    })
}

/// One mark for each place on the first axis, in the order of the places.
fn places(chart: &Chart) -> Vec<Mark> {
    let bare = |x: f64| Mark {
        x,
        y: None,
        series: 0,
        name: None,
    };
    if let Scale::Labels(labels) = &chart.x.scale {
        return (0..labels.len()).map(|place| bare(place as f64)).collect();
    }
    let mut all: Vec<f64> = chart.marks.iter().map(|mark| mark.x).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all.into_iter().map(bare).collect()
}

fn set(chart: &Chart, series: usize, places: &[Mark]) -> Value {
    let of = chart.marks.iter().filter(|mark| mark.series == series);
    let data: Vec<Value> = if chart.kind == Kind::Point {
        let x = |mark: &Mark| match chart.x.scale {
            Scale::Time(_) => json!(calendar::iso(mark.x)),
            _ => json!(mark.x),
        };
        of.map(|mark| json!({"x": x(mark), "y": mark.y})).collect()
    } else {
        let mut data = vec![Value::Null; places.len()];
        for mark in of {
            let place = places.binary_search_by(|place| place.x.total_cmp(&mark.x));
            if let Some(slot) = place.ok().and_then(|place| data.get_mut(place)) {
                *slot = mark.y.into();
            }
        }
        data
    };
    json!({"label": chart.series_name(series).unwrap_or(&chart.y), "data": data})
}

fn options(chart: &Chart) -> Value {
    let mut plugins = json!({"title": {"display": true, "text": chart.title}});
    if let (Some(note), Some(plugins)) = (&chart.note, plugins.as_object_mut()) {
        plugins.insert(
            "subtitle".to_owned(),
            json!({"display": true, "text": note}),
        );
    }
    if chart.kind == Kind::Pie {
        return json!({"plugins": plugins});
    }
    let stacked = chart.kind == Kind::Stacked;
    let axis = |title: &str| json!({"title": {"display": true, "text": title}, "stacked": stacked});
    let (mut along, mut across) = (axis(&chart.x.title), axis(&chart.y));
    if let Some(across) = across.as_object_mut() {
        across.insert("beginAtZero".to_owned(), svg::from_zero(chart).into());
    }
    if let (Kind::Point, Some(along)) = (chart.kind, along.as_object_mut()) {
        along.insert("type".to_owned(), "linear".into());
    }
    if chart.horizontal {
        std::mem::swap(&mut along, &mut across);
    }
    json!({
        "indexAxis": if chart.horizontal { "y" } else { "x" },
        "scales": {"x": along, "y": across},
        "plugins": plugins,
    })
}
