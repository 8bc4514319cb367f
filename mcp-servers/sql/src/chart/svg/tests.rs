//! What every picture must be: XML, every text in it, and no label over another.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Value, json};

use super::super::{Chart, Kind, Wish};
use super::*;
use crate::database::{Head, Rows};

/// A text that stands straight, as the box it fills.
#[derive(Debug, Clone)]
struct Label {
    text: String,
    left: f64,
    right: f64,
    base: f64,
}

#[derive(Debug, Default)]
struct Seen {
    size: (f64, f64),
    labels: Vec<Label>,
    /// Where slanted texts end.
    slanted: Vec<f64>,
    shapes: usize,
    title: String,
    about: String,
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut all = element.attributes().map(Result::unwrap);
    let found = all.find(|found| found.key.as_ref() == name)?;
    Some(
        quick_xml::escape::unescape(&found.value)
            .unwrap()
            .into_owned(),
    )
}

fn seen(svg: &str) -> Seen {
    let mut seen = Seen::default();
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut open: Option<(f64, f64, f64, bool)> = None;
    loop {
        let event = reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error}: {svg}"));
        match event {
            Event::Eof => {
                assert!(path.is_empty(), "{svg}");
                return seen;
            }
            Event::Start(element) => {
                let name = element.name().as_ref().to_owned();
                let number = |name: &str| {
                    attribute(&element, name)
                        .and_then(|text| text.parse().ok())
                        .unwrap_or(0.0)
                };
                if name == "svg" {
                    seen.size = (number("width"), number("height"));
                }
                if ["rect", "circle", "path"].contains(&name.as_str()) {
                    seen.shapes += 1;
                }
                if name == "text" {
                    let part = match attribute(&element, "text-anchor").as_deref() {
                        Some("middle") => 0.5,
                        Some("end") => 1.0,
                        _ => 0.0,
                    };
                    let turned = attribute(&element, "transform").is_some();
                    let class = attribute(&element, "class").unwrap();
                    let size = if class == "title" {
                        TITLE * text::BOLD
                    } else {
                        SMALL
                    };
                    open = Some((number("x"), number("y"), part, turned));
                    seen.labels.push(Label {
                        text: String::new(),
                        left: size,
                        right: 0.0,
                        base: 0.0,
                    });
                }
                path.push(name);
                text.clear();
            }
            Event::Empty(element) => {
                seen.shapes += usize::from(element.name().as_ref() == "path");
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::GeneralRef(piece) => {
                let entity = format!("&{};", &*piece);
                text.push_str(&quick_xml::escape::unescape(&entity).unwrap());
            }
            Event::End(_) => {
                let name = path.pop().unwrap();
                let inside = path.last().map(String::as_str);
                match (name.as_str(), inside) {
                    ("title", Some("svg")) => seen.title.clone_from(&text),
                    ("desc", _) => seen.about.clone_from(&text),
                    ("text", _) => {
                        let (x, y, part, turned) = open.take().unwrap();
                        let mut label = seen.labels.pop().unwrap();
                        let width = text::width(&text, label.left);
                        if turned {
                            seen.slanted.push(x);
                        } else {
                            label.text.clone_from(&text);
                            label.left = x - part * width;
                            label.right = label.left + width;
                            label.base = y;
                            seen.labels.push(label);
                        }
                    }
                    _ => {}
                }
                text.clear();
            }
            _ => {}
        }
    }
}

/// No text touches another or leaves the picture.
fn apart(svg: &str) -> Seen {
    let seen = seen(svg);
    for (place, one) in seen.labels.iter().enumerate() {
        assert!(
            one.left >= -0.5 && one.right <= seen.size.0 + 0.5,
            "{one:?} of {:?}",
            seen.size
        );
        assert!(
            one.base > 10.0 && one.base < seen.size.1,
            "{one:?} of {:?}",
            seen.size
        );
        for other in seen.labels.iter().skip(place + 1) {
            let beside = one.right <= other.left + 0.5 || other.right <= one.left + 0.5;
            let below = (one.base - other.base).abs() >= 11.5;
            assert!(beside || below, "{one:?} and {other:?} in {svg}");
        }
    }
    for pair in seen.slanted.windows(2) {
        assert!((pair[1] - pair[0]) * 0.64 >= 12.0, "{pair:?}");
    }
    seen
}

fn rows(columns: &[&str], rows: Vec<Vec<Value>>) -> Rows {
    let heads = columns.iter().map(|name| Head {
        name: (*name).to_owned(),
        kind: String::new(),
    });
    Rows {
        columns: heads.collect(),
        rows,
        truncated: None,
    }
}

fn wish(kind: Kind) -> Wish {
    Wish {
        kind: Some(kind),
        ..Wish::default()
    }
}

const KINDS: [Kind; 7] = [
    Kind::Bar,
    Kind::Grouped,
    Kind::Stacked,
    Kind::Line,
    Kind::Point,
    Kind::Histogram,
    Kind::Pie,
];

#[test]
fn what_it_says_is_there() {
    let named = vec![
        vec![json!("<b>&\"'</b>"), json!(3)],
        vec![json!("]]>"), json!(2)],
        vec![json!("a\u{0}b\u{202e}c\n\td"), json!(1)],
    ];
    let chart = Chart::suggest(&rows(&["na<me", "to&tal"], named)).unwrap();
    let seen = apart(&chart.svg());
    let texts: Vec<&str> = seen
        .labels
        .iter()
        .map(|label| label.text.as_str())
        .collect();
    for text in ["<b>&\"'</b>", "]]>", "a b c d"] {
        assert!(texts.contains(&text), "{texts:?}");
    }
    assert_eq!(seen.title, "to&tal by na<me");
    assert!(
        seen.about
            .contains("Highest: 3 at <b>&\"'</b>; lowest: 1 at a b c d."),
        "{}",
        seen.about
    );
}

#[test]
fn bars_of_dates_are_labelled_apart() {
    let days = (0..50).map(|day| {
        vec![
            json!(format!("2024-{:02}-{:02}", day / 28 + 1, day % 28 + 1)),
            json!(day),
        ]
    });
    let chart = Chart::wished(&rows(&["day", "orders"], days.collect()), &wish(Kind::Bar)).unwrap();
    let seen = apart(&chart.svg());
    assert!(seen.slanted.len() > 10, "{:?}", seen.slanted);
    assert!(!chart.horizontal);
}

#[test]
fn values_at_the_ends_of_the_axis_keep_clear_of_other_labels() {
    for (high, low) in [
        (100.0, -100.0),
        (100.0, -99.0),
        (1e119, -1e-300),
        (-1.0, -100.0),
        (20.0, 4.0),
    ] {
        let body = vec![
            vec![json!("Berlin"), json!(high)],
            vec![json!("Bonn"), json!(low)],
        ];
        let chart = Chart::suggest(&rows(&["town", "balance"], body)).unwrap();
        apart(&chart.svg());
    }
}

#[test]
fn a_picture_of_nothing_says_so() {
    let nothing = vec![vec![json!("a"), json!(1), json!(null)]; 2];
    let rows = rows(&["name", "id", "value"], nothing);
    let mut chart = Chart::wished(&rows, &wish(Kind::Bar)).unwrap();
    for mark in &mut chart.marks {
        mark.y = None;
    }
    let seen = apart(&chart.svg());
    assert!(
        seen.labels
            .iter()
            .any(|label| label.text == "No values to draw")
    );
}

fn cell() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => any::<String>().prop_map(Value::from),
        1 => "[a-z]{1,60}( [a-z]{1,20}){0,4}".prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-1e6..1e6_f64).prop_map(Value::from),
        2 => any::<i64>().prop_map(|number| number.to_string().into()),
        2 => any::<f64>().prop_map(|number| {
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }),
        1 => Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_of_any_kind_make_a_picture(
        heads in prop::collection::vec(any::<String>(), 4),
        body in prop::collection::vec((cell(), cell(), number(), number()), 1..90),
        title in prop::option::of(any::<String>()),
        kind in prop::sample::select(KINDS.to_vec()),
    ) {
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let body = body.into_iter().map(|(a, b, c, d)| vec![a, b, c, d]).collect();
        let rows = rows(&heads, body);
        let wish = Wish { title, ..wish(kind) };
        if let Some(chart) = Chart::suggest(&rows) {
            apart(&chart.svg());
        }
        if let Ok(chart) = Chart::wished(&rows, &wish) {
            apart(&chart.svg());
            prop_assert_eq!(chart.svg(), Chart::wished(&rows, &wish).unwrap().svg());
            prop_assert_eq!(&chart.vega_lite()["data"]["values"].as_array().unwrap().len(), &chart.marks.len());
            prop_assert!(chart.plain()["data"]["datasets"].is_array());
        }
    }

    #[test]
    fn times_of_any_length_are_labelled_apart(
        start in 0..4_000_000_000_i64,
        steps in prop::collection::vec(1..100_000_000_i64, 3..60),
        factor in prop::sample::select(vec![1, 60, 86_400]),
    ) {
        let mut at = start;
        let body = steps.iter().map(|step| {
            at += (step / 1_000_000 + 1) * factor;
            let text = calendar_text(at);
            vec![json!(text), json!(step)]
        });
        let rows = rows(&["at", "value"], body.collect());
        let chart = Chart::suggest(&rows).unwrap();
        prop_assert_eq!(chart.kind, Kind::Line);
        apart(&chart.svg());
    }
}

fn calendar_text(second: i64) -> String {
    super::super::calendar::iso(second as f64)
}
