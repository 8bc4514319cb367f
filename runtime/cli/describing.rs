//! `ropewalk server sql --describe`: what tables hold, in a sentence each, kept for later.

use ropewalk_core::message::{ChatRequest, Message, Sampling};
use ropewalk_models::engine::{DeltaSink, Engine};
use ropewalk_models::registry::Registry;
use ropewalk_sql::catalogue::{Catalogue, Entry};
use ropewalk_sql::descriptions;
use ropewalk_sql::schema::Schema;
use tokio_util::sync::CancellationToken;

use crate::Ending;
use crate::progress::{self, print, say};

/// Tables that a model describes at a time, and how much it may write of each.
const AT_ONCE: usize = 8;
const TOKENS_EACH: u32 = 60;

/// Has the engine describe the tables that nobody has described as they look now, and prints what is
/// known of all. An engine that only quotes describes nothing.
pub(crate) async fn run(
    catalogue: &Catalogue,
    registry: &Registry,
    cancel: &CancellationToken,
) -> anyhow::Result<Ending> {
    let engine = registry.get(None);
    let engine = match &engine {
        Some(engine) if engine.info().structured_output => {
            engine.prepare().await?;
            Some(engine as &dyn Engine)
        }
        _ => {
            say("no model is configured: tables are described by what is seen of them");
            None
        }
    };
    for entry in catalogue.entries() {
        let schema = entry.source.schema().await?;
        if let Some(engine) = engine {
            tokio::select! {
                described = describe(entry, &schema, engine) => described?,
                () = cancel.cancelled() => return Ok(Ending::Interrupted),
            }
        }
        for table in &entry.descriptions.told_of(&schema).tables {
            let said = table.comment.clone();
            let said = said.unwrap_or_else(|| descriptions::seen(table, &schema));
            print(&format!("{}.{}: {said}", entry.source.name(), table.name));
        }
    }
    Ok(Ending::Done)
}

async fn describe(entry: &Entry, schema: &Schema, engine: &dyn Engine) -> anyhow::Result<()> {
    let missing = entry.descriptions.missing(schema);
    let bar = progress::bar("describing");
    bar.set_length(missing.len() as u64);
    for tables in missing.chunks(AT_ONCE) {
        let count = u32::try_from(tables.len()).unwrap_or(u32::MAX);
        let request = ChatRequest {
            messages: vec![Message::User {
                text: descriptions::prompt(tables),
            }],
            sampling: Sampling {
                temperature: Some(0.0),
                max_tokens: Some(count.saturating_mul(TOKENS_EACH)),
                ..Sampling::default()
            },
            ..ChatRequest::default()
        };
        let reply = engine.chat(request, DeltaSink::none()).await?;
        for (table, text) in descriptions::read(&reply.text, tables) {
            entry.descriptions.learn(table, &text)?;
        }
        bar.inc(u64::from(count));
    }
    bar.finish_and_clear();
    Ok(())
}
