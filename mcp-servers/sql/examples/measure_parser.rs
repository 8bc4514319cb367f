//! Measures the parser on a folder of questions with databases.
//!
//! `cargo run -p ropewalk-sql --example measure_parser -- FOLDER [--show wrong|left|all]
//! [--only DB,DB] [--not DB,DB] [--embed yes|no]`

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use ropewalk_embed::Embedder;
use ropewalk_sql::measure::{Folder, Outcome, ParserFigures, Verdict, abstentions, outcomes};
use ropewalk_sql::parse::THRESHOLD;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let (mut show, mut only, mut without) = (String::new(), BTreeSet::new(), BTreeSet::new());
    let mut embed = true;
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or("an option without a value")?;
        let list = || value.split(',').map(str::to_owned);
        match option.as_str() {
            "--show" => show = value,
            "--embed" => embed = value == "yes",
            "--only" => only = list().collect(),
            "--not" => without = list().collect(),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let mut folder = Folder::read(Path::new(&folder))?;
    folder
        .databases
        .retain(|name, _| (only.is_empty() || only.contains(name)) && !without.contains(name));
    let embedder = if embed {
        Some(Arc::new(Embedder::shipped()?))
    } else {
        None
    };
    let outcomes = outcomes(&folder, embedder).await?;
    for outcome in &outcomes {
        print(outcome, &show);
    }
    let databases: BTreeSet<&str> = outcomes.iter().map(|o| o.database.as_str()).collect();
    for database in databases {
        let of = outcomes
            .iter()
            .filter(|outcome| outcome.database == database);
        line(database, ParserFigures::usual(of));
    }
    line("all", ParserFigures::usual(&outcomes));
    for step in 4_u8..20 {
        let threshold = f32::from(step) / 20.0;
        line(
            &format!("at {threshold:.2}"),
            ParserFigures::of(&outcomes, threshold),
        );
    }
    if !folder.unanswerable.is_empty() {
        for point in abstentions(&outcomes) {
            println!("{}", serde_json::to_string(&point)?);
        }
    }
    Ok(())
}

fn line(name: &str, figures: ParserFigures) {
    println!(
        "{name:32} questions {:4}  answered {:4}  right {:4}  coverage {:5.1}  precision {:5.1}",
        figures.questions,
        figures.answered,
        figures.right,
        figures.coverage * 100.0,
        figures.precision * 100.0
    );
}

fn print(outcome: &Outcome, show: &str) {
    let answered = outcome.reading.confidence >= THRESHOLD;
    let wanted = match show {
        "wrong" => answered && outcome.verdict != Verdict::Right,
        "left" => !answered && outcome.verdict != Verdict::Unanswerable,
        "all" => true,
        _ => false,
    };
    if !wanted {
        return;
    }
    println!(
        "{:?} {:.2} [{}] {}",
        outcome.verdict, outcome.reading.confidence, outcome.database, outcome.question
    );
    println!("    gold {}", outcome.gold.as_deref().unwrap_or("-"));
    if let Some(best) = &outcome.reading.best {
        println!("    read {}", best.sql);
    }
    for doubt in &outcome.reading.doubts {
        println!("    doubt {doubt}");
    }
}
