//! Shows how questions about a SQLite file are read: `trace_parser FILE QUESTION...`
use ropewalk_sql::database::{Engine as _, Sqlite};
use ropewalk_sql::guard::{Guard, Rules};
use ropewalk_sql::parse::Parser;
use ropewalk_sql::values::{Bounds, ValueIndex};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which file?")?;
    let engine = Sqlite::open(Path::new(&file), Rules::default()).await?;
    let guard = Guard::new(engine.dialect(), Rules::default())?;
    let schema = engine.schema().await?;
    let values = ValueIndex::read(
        &engine,
        &guard,
        &schema,
        &Bounds::default(),
        &CancellationToken::new(),
    )
    .await?;
    let parser = Parser::new(&schema, Arc::new(values), engine.dialect(), None);
    for question in arguments {
        println!("{}", parser.trace(&question));
        let reading = parser.parse(&question);
        for (at, candidate) in reading
            .best
            .iter()
            .chain(&reading.others)
            .take(6)
            .enumerate()
        {
            println!(
                "{at} {:.3} {} {:?}",
                candidate.weight, candidate.sql, candidate.doubts
            );
        }
        println!("{:?}", reading.explanation);
    }
    Ok(())
}
