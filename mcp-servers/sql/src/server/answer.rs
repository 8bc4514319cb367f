//! The tool that answers questions, and the one that finds values.

use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_mcp_kit::{
    Answer as Reply, CallContext, Citation, Faculty, ModelQuestion, Question, ToolError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::{self, Table};
use super::{SqlServer, cite, failed, words};
use crate::answer::{Abstained, Answer, Answered, How, Order, Questioning, Writer};
use crate::catalogue::Entry;
use crate::schema::Schema;
use crate::values::{Bounds, Found, IndexedColumn, ValueIndex, lookup};

/// Columns that are looked through in the database itself for one value.
const LOOKED_UP: usize = 20;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct AnswerArguments {
    question: String,
    database: Option<String>,
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AnswerResult {
    database: String,
    /// Whether there is no answer that is sure enough.
    abstained: bool,
    /// The answer in words, cited; or why there is none.
    text: String,
    /// The statement; where there is no answer the closest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    table: Option<Table>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    how: Option<How>,
    /// How sure it is, 0 to 1.
    confidence: f32,
    /// How the question was read, or what is not clear.
    explanation: Vec<String>,
    citations: Vec<Citation>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct ValuesArguments {
    text: String,
    database: Option<String>,
    #[schemars(range(min = 1, max = 50))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ValuesResult {
    /// The nearest first.
    values: Vec<ValueShown>,
    /// Columns with more values than could be looked through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ValueShown {
    database: String,
    table: String,
    column: String,
    value: String,
    /// 1 for the same.
    score: f32,
}

impl SqlServer {
    pub(super) async fn answer(
        &self,
        arguments: AnswerArguments,
        context: CallContext,
    ) -> Result<AnswerResult, ToolError> {
        let question = arguments.question.trim();
        if question.is_empty() {
            return Err(ToolError::new(
                "the question is empty",
                "say what to find out",
            ));
        }
        let entry = self.meant(question, arguments.database.as_deref()).await?;
        let linker = self.catalogue.linker().await;
        let model = ByModel(&context);
        let questioning = Questioning {
            entry: &entry,
            linker: &linker,
            limits: ask::limits(arguments.limit),
            writer: context.can(Faculty::Model).then_some(&model as &dyn Writer),
            cancel: &context.cancel,
        };
        let name = entry.source.name();
        match questioning.answer(question).await? {
            Answer::Answered(answered) => Ok(given(name, *answered)),
            Answer::Abstained(abstained) => Ok(not_given(name, abstained)),
        }
    }

    /// The database that is named, or the one with the table that a question is most about.
    async fn meant(&self, question: &str, name: Option<&str>) -> Result<Arc<Entry>, ToolError> {
        let several = self.catalogue.entries().len() > 1;
        if name.is_none_or(str::is_empty) && several {
            let linked = self.catalogue.tables(question, 1).await.map_err(failed)?;
            let first = linked.first().map(|linked| linked.database.as_str());
            return self.entry(first).cloned();
        }
        self.entry(name).cloned()
    }

    pub(super) async fn values(
        &self,
        arguments: ValuesArguments,
        context: CallContext,
    ) -> Result<ValuesResult, ToolError> {
        let entries = match arguments
            .database
            .as_deref()
            .filter(|name| !name.is_empty())
        {
            Some(name) => vec![Arc::clone(self.entry(Some(name))?)],
            None => self.catalogue.entries().to_vec(),
        };
        let limit = arguments.limit.unwrap_or(10).clamp(1, 50);
        let (mut values, mut incomplete) = (Vec::new(), Vec::new());
        for entry in entries {
            let schema = entry.schema().await.map_err(failed)?;
            let index = entry
                .values(&schema, &[], &context.cancel)
                .await
                .map_err(failed)?;
            let database = entry.source.name();
            let mut found = index.find(&arguments.text, limit);
            found.extend(looked_up(&entry, &schema, &index, &arguments.text, &context).await?);
            values.extend(found.into_iter().map(|found| ValueShown {
                database: database.to_owned(),
                table: found.table,
                column: found.column,
                value: found.value,
                score: found.score,
            }));
            let partly = index.columns().iter().filter(|column| !column.complete);
            incomplete.extend(
                partly.map(|column| format!("{database}: {}.{}", column.table, column.column)),
            );
        }
        values.sort_by(|one, two| two.score.total_cmp(&one.score));
        values.truncate(limit);
        incomplete.truncate(limit);
        Ok(ValuesResult { values, incomplete })
    }
}

/// What the columns of texts hold that have more values than the index does. A number that is not
/// in the index is a measure, and no name of anything.
async fn looked_up(
    entry: &Entry,
    schema: &Schema,
    index: &ValueIndex,
    text: &str,
    context: &CallContext,
) -> Result<Vec<Found>, ToolError> {
    let mut found: Vec<Found> = Vec::new();
    let texts = |of: &&IndexedColumn| {
        let column = schema
            .table(&of.table)
            .and_then(|table| table.column(&of.column));
        column.is_some_and(|column| column.holds().texts())
    };
    let partly = index.columns().iter().filter(|column| !column.complete);
    for column in partly.filter(texts).take(LOOKED_UP) {
        let (table, column) = (&column.table, &column.column);
        let bounds = Bounds::default();
        let source = &entry.source;
        match lookup(source, table, column, text, &bounds, &context.cancel).await {
            // What the index has of it is found already.
            Ok(more) => found.extend(more.into_iter().filter(|one| !index.holds(one))),
            Err(error) if error.is_cancelled() => return Err(failed(error)),
            // Too large to be looked through in time: it is told as incomplete.
            Err(error) => tracing::debug!(%error, table, column, "it is not looked through"),
        }
    }
    Ok(found)
}

fn given(database: &str, answered: Answered) -> AnswerResult {
    let citation = cite::citation(database, &answered.sql, &answered.rows);
    AnswerResult {
        database: database.to_owned(),
        abstained: false,
        text: words::answer(&answered.rows, &citation.id),
        sql: Some(answered.sql),
        how: Some(answered.how),
        confidence: answered.confidence,
        explanation: answered.explanation,
        table: Some(Table::of(answered.rows)),
        citations: vec![citation],
    }
}

fn not_given(database: &str, abstained: Abstained) -> AnswerResult {
    AnswerResult {
        database: database.to_owned(),
        abstained: true,
        text: words::no_answer(database, &abstained),
        sql: abstained.closest,
        table: None,
        how: None,
        confidence: abstained.confidence,
        explanation: abstained.doubts,
        citations: Vec::new(),
    }
}

/// The client's model.
struct ByModel<'a>(&'a CallContext);

#[async_trait]
impl Writer for ByModel<'_> {
    async fn write(&self, orders: Vec<Order>) -> Result<Vec<String>, ToolError> {
        let questions = orders.into_iter().map(|order| {
            let question = ModelQuestion {
                prompt: order.prompt,
                max_tokens: order.max_tokens,
                temperature: Some(order.temperature),
                grammar: order.grammar,
            };
            (order.name, Question::Model(question))
        });
        let replies = self.0.ask(questions.collect()).await?;
        let replies = replies.into_iter().map(|reply| match reply {
            Reply::Model(text) => text,
            _ => String::new(),
        });
        Ok(replies.collect())
    }
}
