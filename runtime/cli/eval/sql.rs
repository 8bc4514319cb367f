//! `ropewalk eval sql`: the guard, linking, choice, repair and the parser on questions whose
//! answers are known.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ropewalk_embed::Embedder;
use ropewalk_sql::link::Meanings;
use ropewalk_sql::measure::{self, Folder, Outcome, ParserFigures};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::Ending;
use crate::arguments::measuring::EvalSql;
use crate::progress::{self, print};

pub(crate) async fn run(options: EvalSql, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let folder = Folder::read(&options.folder)?;
    let bar = progress::bar("measuring");
    let measured = tokio::select! {
        measured = measure(&folder, &options, &bar) => measured?,
        () = cancel.cancelled() => {
            bar.finish_and_clear();
            return Ok(Ending::Interrupted);
        }
    };
    bar.finish_and_clear();
    if options.json {
        print(&Value::Object(measured).to_string());
    } else {
        show(&options.folder, &measured);
    }
    Ok(Ending::Done)
}

/// Whatever the folder allows of, by its part.
async fn measure(
    folder: &Folder,
    options: &EvalSql,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<Map<String, Value>> {
    let mut parts = Map::new();
    let guarding = measure::guarding(folder);
    parts.insert("guard".to_owned(), json!(guarding));
    bar.set_message("linking");
    if let Some(linking) = linking(folder.clone(), options.evidence).await? {
        parts.insert("linking".to_owned(), json!(linking));
    }
    let mut questions = folder.questions.iter();
    if !folder.databases.is_empty() && questions.any(|asked| !asked.predictions.is_empty()) {
        bar.set_message("choosing");
        let choice = measure::measure_choice(folder).await?;
        parts.insert("choice".to_owned(), rounded(json!(choice)));
        bar.set_message("repairing");
        let repair = measure::measure_repair(folder, None).await?;
        parts.insert("repair".to_owned(), rounded(json!(repair)));
    }
    if !folder.databases.is_empty() {
        bar.set_message("reading");
        let outcomes = measure::outcomes(folder).await?;
        let figures = ParserFigures::usual(&outcomes);
        let parser = json!({
            "questions": figures.questions,
            "answered": figures.answered,
            "right": figures.right,
            "coverage": percent(figures.coverage),
            "precision": percent(figures.precision),
        });
        parts.insert("parser".to_owned(), parser);
        if !folder.unanswerable.is_empty() {
            parts.insert("abstention".to_owned(), json!(curve(&outcomes)));
        }
    }
    Ok(parts)
}

/// For each threshold how many of the questions that cannot be answered, and of the others, are left
/// alone, in percent.
fn curve(outcomes: &[Outcome]) -> Vec<Value> {
    let points = measure::abstentions(outcomes).into_iter();
    let points = points.map(|point| {
        json!({
            "threshold": (f64::from(point.threshold) * 100.0).round() / 100.0,
            "true_abstention": percent(point.true_abstention),
            "false_abstention": percent(point.false_abstention),
        })
    });
    points.collect()
}

/// All numbers to one decimal.
fn rounded(figures: Value) -> Value {
    match figures {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            json!((number * 10.0).round() / 10.0)
        }
        Value::Array(figures) => figures.into_iter().map(rounded).collect(),
        Value::Object(figures) => {
            let rounded = figures
                .into_iter()
                .map(|(name, figure)| (name, rounded(figure)));
            Value::Object(rounded.collect())
        }
        other => other,
    }
}

fn percent(share: f64) -> f64 {
    (share * 1_000.0).round() / 10.0
}

async fn linking(folder: Folder, evidence: bool) -> anyhow::Result<Option<measure::Linking>> {
    let measuring = tokio::task::spawn_blocking(move || {
        let meanings = Arc::new(Meanings::new(Embedder::shipped()?));
        measure::linking(&folder, Some(meanings), evidence)
    });
    measuring.await?.context("linking")
}

fn show(folder: &Path, measured: &Map<String, Value>) {
    print(&folder.display().to_string());
    for (part, figures) in measured {
        for (name, figure) in figures.as_object().into_iter().flatten() {
            if !figure.is_array() && !figure.is_object() {
                print(&format!("{:<24} {figure}", format!("{part}.{name}")));
            }
        }
    }
    let refused = measured.get("guard").and_then(|guard| guard.get("refused"));
    let refused = refused.and_then(Value::as_array);
    for refusal in refused.into_iter().flatten().filter_map(Value::as_str) {
        print(&format!("refused: {refusal}"));
    }
    let curve = measured.get("abstention").and_then(Value::as_array);
    if let Some(curve) = curve.filter(|curve| !curve.is_empty()) {
        print("threshold, unanswerable left alone, answerable left alone:");
        for point in curve {
            let figure = |name: &str| point.get(name).and_then(Value::as_f64).unwrap_or_default();
            print(&format!(
                "{:>9.2} {:>6.1} % {:>6.1} %",
                figure("threshold"),
                figure("true_abstention"),
                figure("false_abstention")
            ));
        }
    }
}
