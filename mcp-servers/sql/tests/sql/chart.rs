//! Which chart rows become, and what goes out of it.

use std::path::Path;

use ropewalk_sql::chart::{Chart, ChartError, Kind, Wish};
use ropewalk_sql::database::{Head, Rows, Truncation};
use serde_json::{Value, json};

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

fn table(columns: &[&str], body: &Value) -> Rows {
    let body = body.as_array().unwrap().iter();
    rows(
        columns,
        body.map(|row| row.as_array().unwrap().clone()).collect(),
    )
}

/// So many rows, each made from its number.
fn made(columns: &[&str], count: usize, row: impl Fn(usize) -> Value) -> Rows {
    table(columns, &(0..count).map(row).collect())
}

fn kind(rows: &Rows) -> Option<Kind> {
    Chart::suggest(rows).map(|chart| chart.kind)
}

fn values(chart: &Chart) -> Vec<Value> {
    let spec = chart.vega_lite();
    spec["data"]["values"].as_array().unwrap().clone()
}

fn of_each(chart: &Chart, field: &str) -> Vec<Value> {
    values(chart)
        .into_iter()
        .map(|mut value| value[field].take())
        .collect()
}

fn wish(kind: Kind, x: &str, y: &str) -> Wish {
    Wish {
        kind: Some(kind),
        x: (!x.is_empty()).then(|| x.to_owned()),
        y: (!y.is_empty()).then(|| y.to_owned()),
        ..Wish::default()
    }
}

const CITIES: [(&str, u32); 4] = [
    ("Berlin", 3_677_472),
    ("Hamburg", 1_853_935),
    ("München", 1_487_708),
    ("Köln", 1_073_096),
];

fn cities() -> Rows {
    made(&["name", "population"], 4, |n| {
        json!([CITIES[n].0, CITIES[n].1])
    })
}

/// Four quarters of three regions.
fn regions() -> Rows {
    made(&["month", "region", "sum(amount)"], 36, |n| {
        let (month, region) = (n / 3, n % 3);
        let amount = 40_000 + 9_000 * region + 2_500 * ((month * (region + 3)) % 7);
        json!([
            format!("2024-{:02}", month + 1),
            (["North", "South", "West"][region]),
            amount
        ])
    })
}

#[test]
fn rows_become_the_chart_that_shows_them_best() {
    for (what, rows, expected) in [
        ("categories", cities(), Some(Kind::Bar)),
        (
            "a category in a hundred parts",
            made(&["name", "total"], 100, |n| json!([format!("n{n}"), n])),
            Some(Kind::Bar),
        ),
        (
            "months",
            made(&["month", "revenue"], 12, |n| {
                json!([format!("2024-{:02}", n + 1), n])
            }),
            Some(Kind::Line),
        ),
        (
            "days",
            made(&["day", "n"], 9, |n| {
                json!([format!("2024-01-0{}", n + 1), n])
            }),
            Some(Kind::Line),
        ),
        (
            "timestamps",
            made(&["at", "celsius"], 9, |n| {
                json!([format!("2024-01-01 00:0{n}:00+00"), n])
            }),
            Some(Kind::Line),
        ),
        (
            "years as numbers",
            made(&["year", "gdp"], 9, |n| json!([2000 + n, n * 7 % 5])),
            Some(Kind::Line),
        ),
        (
            "years as texts",
            made(&["strftime('%Y', hired)", "count(*)"], 9, |n| {
                json!([format!("{}", 2000 + n), n])
            }),
            Some(Kind::Line),
        ),
        ("time by region", regions(), Some(Kind::Line)),
        (
            "months of any year",
            made(&["month", "count(*)"], 12, |n| json!([n + 1, n])),
            Some(Kind::Bar),
        ),
        (
            "two categories",
            made(&["country", "sex", "avg(age)"], 6, |n| {
                json!([(["a", "b", "c"][n / 2]), (["f", "m"][n % 2]), n])
            }),
            Some(Kind::Grouped),
        ),
        (
            "parts of a whole",
            made(&["country", "fruit", "sum(kilos)"], 20, |n| {
                json!([
                    (["a", "b", "c", "d"][n / 5]),
                    (["v", "w", "x", "y", "z"][n % 5]),
                    n
                ])
            }),
            Some(Kind::Stacked),
        ),
        (
            "two measures of a category",
            made(&["team", "goals_for", "goals_against"], 4, |n| {
                json!([format!("t{n}"), n + 3, 9 - n])
            }),
            Some(Kind::Grouped),
        ),
        (
            "two measures",
            made(&["weight", "height"], 30, |n| {
                json!([n as f64 * 1.5, n % 7])
            }),
            Some(Kind::Point),
        ),
        (
            "decimals as texts",
            made(&["name", "price"], 4, |n| {
                json!([format!("n{n}"), format!("{n}.50")])
            }),
            Some(Kind::Bar),
        ),
        (
            "one measure",
            made(&["salary"], 200, |n| json!([n * n % 1009])),
            Some(Kind::Histogram),
        ),
        (
            "ids and a measure",
            made(&["customer_id", "total"], 8, |n| json!([n + 100, n])),
            Some(Kind::Bar),
        ),
        (
            "the same in every row",
            made(&["country", "year", "tons"], 9, |n| {
                json!(["x", 2000 + n, n])
            }),
            Some(Kind::Line),
        ),
        (
            "categories that repeat",
            made(&["country"], 40, |n| json!([(["a", "b", "c"][n % 3])])),
            Some(Kind::Bar),
        ),
        (
            "yes and no",
            made(&["active", "count(*)"], 2, |n| json!([n == 0, n + 4])),
            Some(Kind::Bar),
        ),
        ("no rows", rows(&["a", "b"], Vec::new()), None),
        ("no columns", rows(&[], vec![Vec::new(); 3]), None),
        ("one cell", table(&["count(*)"], &json!([[42]])), None),
        ("one row", table(&["name", "n"], &json!([["a", 1]])), None),
        (
            "nothing but nulls",
            made(&["a", "b"], 20, |_| json!([null, null])),
            None,
        ),
        (
            "nothing but odd numbers",
            made(&["a", "b"], 20, |n| json!([format!("n{n}"), "NaN"])),
            None,
        ),
        (
            "names",
            made(&["name"], 20, |n| json!([format!("n{n}")])),
            None,
        ),
        (
            "ids",
            made(&["id", "other_id"], 20, |n| json!([n, n * 3])),
            None,
        ),
        (
            "zip codes",
            made(&["town", "zip"], 20, |n| {
                json!([format!("t{n}"), format!("0{}", 1000 + n)])
            }),
            None,
        ),
        ("structures", made(&["a"], 20, |n| json!([{"n": n}])), None),
    ] {
        assert_eq!(kind(&rows), expected, "{what}");
    }
}

#[test]
fn what_is_sorted_stays_sorted_and_the_rest_begins_with_the_largest() {
    let x = |body| of_each(&Chart::suggest(&table(&["name", "n"], &body)).unwrap(), "x");
    assert_eq!(x(json!([["c", 1], ["a", 2], ["b", 3]])), ["c", "a", "b"]);
    assert_eq!(x(json!([["a", 2], ["b", 3], ["c", 1]])), ["a", "b", "c"]);
    assert_eq!(x(json!([["b", 1], ["a", 3], ["c", 2]])), ["a", "c", "b"]);
    assert_eq!(
        x(json!([["Mar", 1], ["Jan", 3], ["Feb", 2]])),
        ["Mar", "Jan", "Feb"]
    );
    let months = table(&["month", "n"], &json!([[10, 1], [2, 3], [1, 2]]));
    assert_eq!(
        of_each(&Chart::suggest(&months).unwrap(), "x"),
        ["1", "2", "10"]
    );
}

#[test]
fn long_labels_lie_down() {
    let lies = |name: &str| {
        let rows = made(&["name", "n"], 6, |n| json!([format!("{name} {n}"), n]));
        Chart::suggest(&rows).unwrap().vega_lite()["encoding"]["y"]["field"] == "x"
    };
    assert!(!lies("a"));
    assert!(lies("a name that is far too long for a bar"));
}

#[test]
fn the_rest_is_added_up_only_where_that_means_something() {
    let many = |measure: &str| {
        let rows = made(&["name", measure], 80, |n| {
            json!([format!("n{:02}", n * 37 % 80), (80 - n).pow(3)])
        });
        let chart = Chart::suggest(&rows).unwrap();
        (
            of_each(&chart, "y"),
            of_each(&chart, "x"),
            chart.note.unwrap_or_default(),
        )
    };
    let (y, x, note) = many("total");
    assert_eq!(x.len(), 51);
    assert_eq!(x[50], "other (30)");
    let sum: f64 = y.iter().map(|y| y.as_f64().unwrap()).sum();
    assert!((sum - 10_497_600.0).abs() < 1e-9, "{sum}");
    assert!(note.contains("first 50 of 80"), "{note}");
    let (y, _, note) = many("avg(age)");
    assert_eq!(y.len(), 50);
    assert!(note.contains("Only the first 50 of 80 are shown"), "{note}");
}

#[test]
fn a_rest_that_would_dwarf_all_others_is_told_instead() {
    let rows = made(&["name", "total"], 500, |n| {
        json!([format!("n{}", n * 37 % 500), 1000 - n])
    });
    let chart = Chart::suggest(&rows).unwrap();
    assert_eq!(values(&chart).len(), 50);
    let rest: usize = (50..500).map(|n| 1000 - n).sum();
    let note = chart.note.unwrap();
    assert!(note.contains("other (450) is left out"), "{note}");
    assert!(note.replace(',', "").contains(&rest.to_string()), "{note}");
}

#[test]
fn bars_over_time_are_many_and_never_other() {
    let days = made(&["day", "total"], 300, |n| {
        json!([
            format!("2024-{:02}-{:02}", n / 28 + 1, n % 28 + 1),
            1000 - n
        ])
    });
    let chart = Chart::wished(&days, &wish(Kind::Bar, "", "")).unwrap();
    let x = of_each(&chart, "x");
    assert_eq!((x.len(), x[0].as_str()), (200, Some("2024-01-01")));
    assert_eq!(chart.note.unwrap(), "Only the first 200 of 300 are shown.");
}

#[test]
fn rows_of_one_bar_are_added_up_or_averaged_and_that_is_said() {
    let sales = |measure: &str| {
        let rows = made(&["region", measure], 60, |n| {
            json!([(["North", "South"][n % 2]), 10 + n % 2])
        });
        let chart = Chart::suggest(&rows).unwrap();
        (of_each(&chart, "y"), chart.title, chart.note.unwrap())
    };
    let (y, title, note) = sales("amount");
    assert_eq!(y, [330.0, 300.0]);
    assert_eq!(title, "Total amount by region");
    assert_eq!(note, "Totals of 60 rows.");
    let (y, title, note) = sales("price");
    assert_eq!(y, [11.0, 10.0]);
    assert_eq!(title, "Average price by region");
    assert_eq!(note, "Averages of 60 rows.");
}

#[test]
fn more_than_ten_thousand_rows_are_sampled_and_that_is_said() {
    let at = |n: usize| {
        format!(
            "2024-01-01T{:02}:{:02}:{:02}",
            n / 3600,
            n / 60 % 60,
            n % 60
        )
    };
    let series = |count| {
        made(&["at", "celsius"], count, |n| match n {
            7_777 => json!([at(n), 1000]),
            3_333 => json!([at(n), -1000]),
            _ => json!([at(n), n % 100]),
        })
    };
    assert_eq!(
        values(&Chart::suggest(&series(10_000)).unwrap()).len(),
        10_000
    );
    let chart = Chart::suggest(&series(10_001)).unwrap();
    let kept = values(&chart);
    assert!(kept.len() <= 2_000, "{}", kept.len());
    assert_eq!(kept[0]["x"], format!("{}Z", at(0)));
    assert_eq!(kept[kept.len() - 1]["x"], format!("{}Z", at(10_000)));
    let y = of_each(&chart, "y");
    assert!(y.contains(&json!(1000.0)) && y.contains(&json!(-1000.0)));
    let note = chart.note.clone().unwrap();
    assert!(note.contains("of 10,001 points"), "{note}");
    assert_eq!(chart.vega_lite()["title"]["subtitle"], note.as_str());
    assert_eq!(
        chart.plain()["options"]["plugins"]["subtitle"]["text"],
        note.as_str()
    );
    assert!(
        chart.svg().contains(&format!(">{note}</text>")),
        "the note is not in the picture"
    );
    assert_eq!(chart, Chart::suggest(&series(10_001)).unwrap());

    let cloud = made(&["a", "b"], 12_000, |n| {
        json!([(n * 7919 % 12_007) as f64, (n * 104_729 % 11_003) as f64])
    });
    let chart = Chart::suggest(&cloud).unwrap();
    assert_eq!(chart.kind, Kind::Point);
    assert!(values(&chart).len() <= 2_000);
    assert!(chart.note.as_deref().unwrap().contains("of 12,000 points"));
    assert_eq!(chart.svg(), Chart::suggest(&cloud).unwrap().svg());

    // What is counted is counted whole.
    let chart = Chart::suggest(&made(&["salary"], 10_001, |n| json!([n % 977]))).unwrap();
    let counted: f64 = of_each(&chart, "y")
        .iter()
        .map(|y| y.as_f64().unwrap())
        .sum();
    assert!((counted - 10_001.0).abs() < 1e-9);
    assert_eq!(chart.note.unwrap(), "Counted over 10,001 values.");
}

#[test]
fn what_is_no_number_is_left_out_and_that_is_said() {
    let body = json!([
        ["a", 1.5],
        ["b", "NaN"],
        ["c", "-inf"],
        ["d", null],
        ["e", "2.5"]
    ]);
    let chart = Chart::suggest(&table(&["name", "score"], &body)).unwrap();
    let mut y = of_each(&chart, "y");
    y.sort_by_key(ToString::to_string);
    assert_eq!(
        y,
        [
            json!(1.5),
            json!(2.5),
            Value::Null,
            Value::Null,
            Value::Null
        ]
    );
    assert_eq!(
        chart.note.unwrap(),
        "2 values that are not finite numbers are left out."
    );
}

#[test]
fn an_answer_that_was_cut_short_says_so() {
    let mut rows = cities();
    rows.truncated = Some(Truncation::Rows);
    let chart = Chart::suggest(&rows).unwrap();
    assert_eq!(
        chart.note.unwrap(),
        "Only the first 4 rows were read; there are more."
    );
}

#[test]
fn a_wish_is_granted_or_refused_with_the_columns_there_are() {
    let rows = table(
        &["name", "Region", "sales", "profit"],
        &json!([["a", "N", 3, -1], ["b", "S", 2, 2], ["c", "N", 1, 3]]),
    );
    let granted = |wish: &Wish| Chart::wished(&rows, wish).unwrap();
    let chart = granted(&wish(Kind::Bar, "region", "Profit"));
    assert_eq!(of_each(&chart, "x"), ["N", "S"]);
    assert_eq!(granted(&wish(Kind::Point, "", "")).kind, Kind::Point);
    assert_eq!(
        granted(&wish(Kind::Histogram, "sales", "")).kind,
        Kind::Histogram
    );
    assert_eq!(granted(&wish(Kind::Line, "name", "sales")).kind, Kind::Line);
    assert_eq!(granted(&wish(Kind::Pie, "name", "sales")).kind, Kind::Pie);
    let grouped = Wish {
        x: Some("name".to_owned()),
        y: Some("sales".to_owned()),
        series: Some("Region".to_owned()),
        title: Some("What was sold".to_owned()),
        ..Wish::default()
    };
    let chart = granted(&grouped);
    assert_eq!(
        (chart.kind, chart.title.as_str()),
        (Kind::Stacked, "What was sold")
    );
    assert_eq!(
        chart.vega_lite()["encoding"]["color"]["scale"]["domain"],
        json!(["N", "S"])
    );

    let refused = |wish: &Wish| Chart::wished(&rows, wish).unwrap_err().to_string();
    assert_eq!(
        refused(&wish(Kind::Bar, "nmae", "sales")),
        "the answer has no column `nmae`; use one of: `name`, `Region`, `sales`, `profit`"
    );
    assert_eq!(
        refused(&wish(Kind::Bar, "name", "region")),
        "the column `Region` holds no numbers; columns with numbers: `sales`, `profit`"
    );
    assert!(refused(&wish(Kind::Point, "name", "sales")).contains("`name` holds no numbers"));
    assert!(refused(&wish(Kind::Pie, "name", "profit")).contains("below zero"));
    let empty = Rows {
        rows: Vec::new(),
        ..rows.clone()
    };
    assert_eq!(Chart::wished(&empty, &grouped), Err(ChartError::Empty));
    let names = table(&["name"], &json!([["a"], ["b"]]));
    let refused = Chart::wished(&names, &Wish::default())
        .unwrap_err()
        .to_string();
    assert!(refused.ends_with("of: `name`"), "{refused}");
    assert!(Chart::wished(&names, &wish(Kind::Histogram, "", "")).is_err());
}

#[test]
fn a_wish_comes_as_json() {
    let read: Wish = serde_json::from_value(json!({"kind": "stacked", "x": "a"})).unwrap();
    assert_eq!(
        (read.kind, read.x.as_deref()),
        (Some(Kind::Stacked), Some("a"))
    );
    assert!(serde_json::from_value::<Wish>(json!({"kind": "donut"})).is_err());
    assert!(serde_json::from_value::<Wish>(json!({"colour": "red"})).is_err());
    let schema = schemars::schema_for!(Wish).to_value();
    assert!(
        schema["properties"]["series"]["description"].is_string(),
        "{schema}"
    );
}

#[test]
fn a_specification_is_complete() {
    let spec = Chart::suggest(&regions()).unwrap().vega_lite();
    assert_eq!(
        spec["$schema"],
        "https://vega.github.io/schema/vega-lite/v5.json"
    );
    assert_eq!(spec["mark"]["type"], "line");
    assert_eq!(spec["title"]["text"], "Total amount by month and region");
    assert_eq!(spec["encoding"]["x"]["type"], "temporal");
    assert_eq!(spec["encoding"]["x"]["title"], "Month");
    assert_eq!(spec["encoding"]["y"]["type"], "quantitative");
    assert_eq!(spec["encoding"]["color"]["title"], "Region");
    assert_eq!(
        spec["data"]["values"][0],
        json!({"x": "2024-01-01T00:00:00Z", "y": 40_000.0, "series": "North"})
    );
    assert_eq!(spec["encoding"]["tooltip"].as_array().unwrap().len(), 3);
    let bars = Chart::suggest(&cities()).unwrap().vega_lite();
    assert_eq!(bars["encoding"]["x"]["sort"], Value::Null);
    assert_eq!(bars["encoding"]["x"]["type"], "nominal");
}

#[test]
fn the_simple_form_lines_its_numbers_up_with_its_labels() {
    let plain = Chart::suggest(&cities()).unwrap().plain();
    assert_eq!(plain["chart_type"], "bar");
    assert_eq!(
        plain["data"]["labels"],
        json!(["Berlin", "Hamburg", "München", "Köln"])
    );
    assert_eq!(plain["data"]["datasets"][0]["label"], "Population");
    assert_eq!(plain["data"]["datasets"][0]["data"][3], 1_073_096.0);
    assert_eq!(
        plain["options"]["plugins"]["title"]["text"],
        "Population by name"
    );

    let body = json!([
        ["2024-01-01", "a", 1],
        ["2024-01-02", "b", 2],
        ["2024-01-03", "a", 3]
    ]);
    let plain = Chart::suggest(&table(&["day", "who", "n"], &body))
        .unwrap()
        .plain();
    let plain = if plain["data"]["datasets"].as_array().unwrap().len() == 2 {
        plain
    } else {
        let told = Wish {
            series: Some("who".to_owned()),
            ..wish(Kind::Line, "day", "n")
        };
        Chart::wished(&table(&["day", "who", "n"], &body), &told)
            .unwrap()
            .plain()
    };
    assert_eq!(
        plain["data"]["labels"],
        json!(["2024-01-01", "2024-01-02", "2024-01-03"])
    );
    assert_eq!(
        plain["data"]["datasets"][0]["data"],
        json!([1.0, null, 3.0])
    );
    assert_eq!(
        plain["data"]["datasets"][1]["data"],
        json!([null, 2.0, null])
    );
}

const SOLD: [(&str, i32); 9] = [
    ("Hemp rope, 12 mm", 48_210),
    ("Polyester rope, 8 mm", 39_480),
    ("Anchor line", 31_075),
    ("Mooring line with spliced eye", 22_940),
    ("Twine", 18_320),
    ("Climbing rope, 60 m", 12_015),
    ("Winch handle", 7_480),
    ("Shackle", 3_120),
    ("Returned goods", -4_260),
];

/// `ROPEWALK_UPDATE=1` draws them anew.
#[test]
fn the_pictures_of_the_documentation_are_current() {
    let sold = made(&["product_name", "sum(amount)"], 9, |n| {
        let (name, sold) = SOLD[n];
        json!([name, sold])
    });
    for (name, rows) in [("chart-bars", sold), ("chart-lines", regions())] {
        let made = Chart::suggest(&rows).unwrap().svg();
        let path = format!("../../docs/{name}.svg");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("ROPEWALK_UPDATE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == made,
            "docs/{name}.svg is old; run this test with ROPEWALK_UPDATE=1"
        );
    }
}
