//! A chart as a Vega-Lite specification.

use serde_json::{Map, Value, json};

use super::reading::Grain;
use super::{Chart, Kind, Scale, build, calendar, svg};

const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v5.json";

/// Up to so many points of a line are marked.
const MARKED: usize = 60;

/// The fields of the data have names of our own: those of columns may hold what Vega-Lite takes
/// for a path.
pub(super) fn spec(chart: &Chart) -> Value {
    let mut spec = json!({
        "$schema": SCHEMA,
        "title": title(chart),
        "data": {"values": values(chart)},
        "mark": mark(chart),
        "encoding": encoding(chart),
        "config": {"range": {"category": svg::colours()}},
    });
    let lying = json!({"step": 20});
    let (width, height) = match chart.kind {
        Kind::Pie => (json!(320), json!(320)),
        _ if chart.horizontal => (json!(480), lying),
        _ => (json!(640), json!(360)),
    };
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("width".to_owned(), width);
        spec.insert("height".to_owned(), height);
        if let Some(note) = &chart.note {
            let said = format!("{}. {note}", chart.title);
            spec.insert("description".to_owned(), said.into());
        }
    }
    spec
}

fn title(chart: &Chart) -> Value {
    let mut title = json!({"text": chart.title, "anchor": "start"});
    if let (Some(note), Some(title)) = (&chart.note, title.as_object_mut()) {
        title.insert("subtitle".to_owned(), note.as_str().into());
    }
    title
}

fn values(chart: &Chart) -> Vec<Value> {
    let all = chart.marks.iter();
    all.map(|mark| {
        let mut value = Map::new();
        let x = match &chart.x.scale {
            Scale::Labels(_) => chart.place(mark).into(),
            Scale::Time(_) => calendar::iso(mark.x).into(),
            Scale::Numbers => mark.x.into(),
            Scale::Bins(step) => {
                value.insert("end".to_owned(), (mark.x + step).into());
                mark.x.into()
            }
        };
        value.insert("x".to_owned(), x);
        value.insert("y".to_owned(), mark.y.into());
        if chart.kind == Kind::Pie {
            value.insert("order".to_owned(), mark.x.into());
        }
        if let Some(series) = chart.series_name(mark.series) {
            value.insert("series".to_owned(), series.into());
        }
        if let Some(name) = &mark.name {
            value.insert("name".to_owned(), name.as_str().into());
        }
        Value::Object(value)
    })
    .collect()
}

fn mark(chart: &Chart) -> Value {
    let mark = match chart.kind {
        Kind::Bar | Kind::Grouped | Kind::Stacked | Kind::Histogram => json!({"type": "bar"}),
        Kind::Line => json!({"type": "line", "point": chart.marks.len() <= MARKED}),
        Kind::Point => json!({"type": "point", "filled": true, "opacity": 0.65}),
        Kind::Pie => return json!({"type": "arc"}),
    };
    if chart.series.is_some() {
        return mark;
    }
    let [first, ..] = svg::colours();
    with(mark, "color", json!(first))
}

fn encoding(chart: &Chart) -> Value {
    let y = json!({"field": "y", "type": "quantitative", "title": chart.y});
    let x = first_axis(chart);
    let mut encoding = Map::new();
    let mut set = |channel: &str, value: Value| {
        encoding.insert(channel.to_owned(), value);
    };
    set("tooltip", tooltip(chart));
    if chart.kind == Kind::Pie {
        set("theta", with(y, "stack", json!(true)));
        set(
            "color",
            json!({"field": "x", "type": "nominal", "title": chart.x.title, "sort": null}),
        );
        // Without it slices are drawn in the order of the alphabet.
        set("order", json!({"field": "order", "type": "quantitative"}));
        return Value::Object(encoding);
    }
    let mut y = with(y, "axis", axis(chart));
    match chart.kind {
        Kind::Line | Kind::Point => {
            y = with(y, "scale", json!({"zero": svg::from_zero(chart)}));
        }
        Kind::Grouped => y = with(y, "stack", Value::Null),
        _ => y = with(y, "stack", json!("zero")),
    }
    let (along, across, offset) = if chart.horizontal {
        ("y", "x", "yOffset")
    } else {
        ("x", "y", "xOffset")
    };
    set(along, x);
    set(across, y);
    if let Scale::Bins(_) = chart.x.scale {
        set("x2", json!({"field": "end"}));
    }
    if let Some(series) = &chart.series {
        let colour = json!({
            "field": "series",
            "type": "nominal",
            "title": series.title,
            "scale": {"domain": series.names},
        });
        set("color", colour);
        if chart.kind == Kind::Grouped {
            let place = json!({
                "field": "series",
                "type": "nominal",
                "scale": {"domain": series.names},
            });
            set(offset, place);
        }
    }
    Value::Object(encoding)
}

fn first_axis(chart: &Chart) -> Value {
    let x = json!({"field": "x", "title": chart.x.title});
    match &chart.x.scale {
        Scale::Labels(labels) => {
            let x = with(with(x, "type", json!("nominal")), "sort", Value::Null);
            let slanted = !chart.horizontal && build::lies_down(labels);
            let angle = if slanted { -40 } else { 0 };
            let axis = json!({"labelLimit": 200, "labelOverlap": true, "labelAngle": angle});
            with(x, "axis", axis)
        }
        Scale::Time(grain) => {
            let x = with(
                with(x, "type", json!("temporal")),
                "scale",
                json!({"type": "utc"}),
            );
            match grain {
                Grain::Year => with(x, "axis", json!({"format": format(*grain)})),
                _ => x,
            }
        }
        Scale::Numbers => {
            let x = with(x, "type", json!("quantitative"));
            with(x, "scale", json!({"zero": false}))
        }
        Scale::Bins(step) => {
            let x = with(x, "type", json!("quantitative"));
            with(x, "bin", json!({"binned": true, "step": step}))
        }
    }
}

fn axis(chart: &Chart) -> Value {
    let (low, high) = chart.span().unwrap_or_default();
    if low.abs().max(high.abs()) >= 10_000.0 {
        json!({"format": "~s"})
    } else {
        json!({})
    }
}

fn format(grain: Grain) -> &'static str {
    match grain {
        Grain::Year => "%Y",
        Grain::Month => "%b %Y",
        Grain::Day => "%Y-%m-%d",
        Grain::Second => "%Y-%m-%d %H:%M:%S",
    }
}

fn tooltip(chart: &Chart) -> Value {
    let mut told = Vec::new();
    if chart.marks.iter().any(|mark| mark.name.is_some()) {
        told.push(json!({"field": "name", "type": "nominal", "title": "Name"}));
    }
    let x = json!({"field": "x", "title": chart.x.title});
    match &chart.x.scale {
        Scale::Labels(_) => told.push(with(x, "type", json!("nominal"))),
        Scale::Time(grain) => {
            // The data are in UTC, and are to be read as they are.
            let x = with(
                with(x, "type", json!("temporal")),
                "timeUnit",
                json!(unit(*grain)),
            );
            told.push(with(x, "format", json!(format(*grain))));
        }
        Scale::Numbers => told.push(with(x, "type", json!("quantitative"))),
        Scale::Bins(_) => {
            let named = json!(format!("{} from", chart.x.title));
            told.push(with(with(x, "type", json!("quantitative")), "title", named));
            told.push(json!({"field": "end", "type": "quantitative", "title": "to"}));
        }
    }
    if let Some(series) = &chart.series {
        told.push(json!({"field": "series", "type": "nominal", "title": series.title}));
    }
    let (low, high) = chart.span().unwrap_or_default();
    let large = low.abs().max(high.abs()) >= 1000.0;
    let digits = if large { ",.2~f" } else { ",.6~r" };
    told.push(json!({"field": "y", "type": "quantitative", "title": chart.y, "format": digits}));
    Value::Array(told)
}

fn unit(grain: Grain) -> &'static str {
    match grain {
        Grain::Year => "utcyear",
        Grain::Month => "utcyearmonth",
        Grain::Day => "utcyearmonthdate",
        Grain::Second => "utcyearmonthdatehoursminutesseconds",
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    object
}
