//! Statements by a model: what it is told, and what it wrote.

use std::sync::Arc;

use super::{EXAMPLES, Questioning, failed};
use crate::catalogue::beside;
use crate::grammar::{CANNOT, grammar};
use crate::prompt::{Known, prompt};
use crate::schema::{Schema, Table};
use async_trait::async_trait;
use ropewalk_mcp_kit::ToolError;

/// Tables that a model is told of.
const TABLES: usize = 8;

/// Statements that are asked for, the first as the model likes it best, the others freer.
const WRITTEN: usize = 3;
const FREE: f32 = 0.7;

/// Longest statement, in tokens.
const MAX_TOKENS: u32 = 400;

/// Writes statements.
#[async_trait]
pub trait Writer: Send + Sync {
    /// What a model writes to each of these, in their order.
    ///
    /// # Errors
    /// When it cannot be asked, or is to be asked first: hand the error on.
    async fn write(&self, orders: Vec<Order>) -> Result<Vec<String>, ToolError>;
}

/// What a model is asked to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// A name that it alone has within a question.
    pub name: String,
    /// What the model is told.
    pub prompt: String,
    /// Longest reply, in tokens.
    pub max_tokens: u32,
    /// 0 for the likeliest words, 1 for the model's own spread.
    pub temperature: f32,
    /// What the reply must be, where the engine can hold it to that.
    pub grammar: Option<String>,
}

/// What a model wrote.
pub(super) struct Written {
    pub(super) statements: Vec<String>,
    /// Why it wrote none, in its own words.
    pub(super) cannot: Option<String>,
}

impl Questioning<'_> {
    pub(super) async fn written(
        &self,
        question: &str,
        schema: &Arc<Schema>,
        writer: &dyn Writer,
        failed_before: &[(String, String)],
    ) -> Result<Written, ToolError> {
        let first = self.tables(question, schema).await?;
        let tables: Vec<&Table> = first.iter().filter_map(|name| schema.table(name)).collect();
        let values = self
            .entry
            .values(schema, &first, self.cancel)
            .await
            .map_err(failed)?;
        let values = values.mentions(question);
        let values = values.iter().filter_map(|mention| mention.found.first());
        let values: Vec<String> = values
            .map(|found| format!("'{}' is in {}.{}", found.value, found.table, found.column))
            .collect();
        let like = self.like(question).await?;
        let dialect = self.entry.source.dialect();
        let known = Known {
            values,
            examples: like
                .into_iter()
                .take(EXAMPLES)
                .map(|like| like.example)
                .collect(),
            metrics: self.entry.metrics_in(question),
            failed: failed_before.to_vec(),
            tables,
        };
        let grammar = grammar(&known.tables, dialect);
        let told = prompt(question, dialect, &known);
        let round = if failed_before.is_empty() {
            "first"
        } else {
            "again"
        };
        let orders = (0..WRITTEN).map(|number| Order {
            name: format!("sql-{round}-{number}"),
            prompt: told.clone(),
            max_tokens: MAX_TOKENS,
            temperature: if number == 0 { 0.0 } else { FREE },
            grammar: grammar.clone(),
        });
        let replies = writer.write(orders.collect()).await?;
        let (mut statements, mut cannot) = (Vec::new(), None);
        for reply in replies {
            let reply = reply.trim();
            match reply.strip_prefix(CANNOT.trim_end()) {
                Some(reason) => cannot = Some(reason.trim().to_owned()),
                None if !reply.is_empty() => statements.push(reply.to_owned()),
                None => {}
            }
        }
        Ok(Written { statements, cannot })
    }

    /// The names of the tables that a question is about, the likeliest first.
    pub(super) async fn tables(
        &self,
        question: &str,
        schema: &Schema,
    ) -> Result<Vec<String>, ToolError> {
        if schema.tables.len() <= TABLES {
            return Ok(schema
                .tables
                .iter()
                .map(|table| table.name.clone())
                .collect());
        }
        let (linker, text) = (Arc::clone(self.linker), question.to_owned());
        let linked = beside(move || linker.tables(&text, usize::MAX))
            .await
            .map_err(failed)?;
        let own = linked
            .into_iter()
            .filter(|linked| linked.database == self.entry.source.name());
        Ok(own.take(TABLES).map(|linked| linked.table).collect())
    }
}
