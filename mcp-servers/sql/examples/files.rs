//! Reads files as tables and asks them: `cargo run -p ropewalk-sql --example files -- FILE... SQL...`
//!
//! Whatever exists is a file or a folder, the rest are questions. Says how long each took.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ropewalk_sql::Dialect;
use ropewalk_sql::database::{Engine, Files, Limits};
use ropewalk_sql::guard::{Guard, Rules};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let named = std::env::args().skip(1);
    let (files, questions): (Vec<String>, Vec<String>) =
        named.partition(|named| PathBuf::from(named).exists());
    let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    let begun = Instant::now();
    let database = Files::open(&files, None, Rules::default()).await?;
    println!("read in {:?}", begun.elapsed());
    for table in database.schema().await?.tables {
        println!("{} ({:?} rows)", table.name, table.rows);
        for column in table.columns {
            println!("  {} {} {:?}", column.name, column.kind, column.samples);
        }
    }
    let guard = Guard::new(Dialect::Sqlite, Rules::default())?;
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    for sql in questions {
        let begun = Instant::now();
        let approved = guard.check(&sql)?;
        let rows = database
            .query(&approved, &limits, &CancellationToken::new())
            .await?;
        println!("{sql}\n{} rows in {:?}", rows.rows.len(), begun.elapsed());
        for row in rows.rows.iter().take(10) {
            println!("  {}", serde_json::to_string(row)?);
        }
    }
    Ok(())
}
