//! All of it as six MCP tools: schema, values, examples, check, query, answer.

mod answer;
mod ask;
mod charting;
mod cite;
mod examples;
mod look;
mod words;

use std::sync::Arc;

use ropewalk_mcp_kit::{ServerIdentity, ToolError, ToolMeta, ToolServer};

use crate::catalogue::{Catalogue, Entry};

/// The tools over a catalogue of databases.
#[derive(Clone)]
pub struct SqlServer {
    catalogue: Arc<Catalogue>,
}

impl SqlServer {
    /// Tools over these databases.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue: Arc::new(catalogue),
        }
    }

    /// The MCP server.
    #[must_use]
    pub fn tools(self) -> ToolServer {
        let names: Vec<&str> = self
            .catalogue
            .entries()
            .iter()
            .map(|entry| entry.source.name())
            .collect();
        let databases = if names.is_empty() {
            "No database is open.".to_owned()
        } else {
            format!("Databases: {}.", names.join(", "))
        };
        let identity = ServerIdentity {
            name: "sql".to_owned(),
            title: "Ropewalk SQL".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: format!(
                "Answers questions from databases, which it only reads. {databases} Look at `schema` \
                 for a question first, find spellings with `values`, try statements with `check`, \
                 then `query`; or let `answer` do all of it. Cite results by their id in square \
                 brackets."
            ),
        };
        let mut server = ToolServer::new(identity);
        for entry in self.catalogue.entries() {
            let entry = Arc::clone(entry);
            server = server.check(format!("database {}", entry.source.name()), move || {
                let entry = Arc::clone(&entry);
                async move { examined(&entry).await }
            });
        }
        let tool = || self.clone();
        let (schema, values, examples, check, query, answer) =
            (tool(), tool(), tool(), tool(), tool(), tool());
        server
            .tool(
                ToolMeta::reading(
                    "schema",
                    "Schema",
                    "Tables and columns: those a question is about, best first; one table in \
                     full; or all, in pages.",
                ),
                move |arguments, _| {
                    let server = schema.clone();
                    async move { server.schema(arguments).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "values",
                    "Values",
                    "Finds which columns hold a value, however it is spelled.",
                ),
                move |arguments, context| {
                    let server = values.clone();
                    async move { server.values(arguments, context).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "examples",
                    "Examples",
                    "Questions like this one with SQL that answers them, and metrics by name with \
                     their formulas.",
                ),
                move |arguments, _| {
                    let server = examples.clone();
                    async move { server.examples(arguments).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "check",
                    "Check",
                    "Says whether a statement may run, with the names that exist where it uses \
                     others, and how the database would go about it. Runs nothing.",
                ),
                move |arguments, _| {
                    let server = check.clone();
                    async move { server.check(arguments).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "query",
                    "Query",
                    "Runs one SELECT and gives its rows, with a citation and, where it helps, a \
                     chart.",
                ),
                move |arguments, context| {
                    let server = query.clone();
                    async move { server.query(arguments, context).await }
                },
            )
            .tool(
                ToolMeta {
                    long: true,
                    ..ToolMeta::reading(
                        "answer",
                        "Answer",
                        "Answers a question: SQL, rows, how it was read, a citation; or says why it \
                         cannot.",
                    )
                },
                move |arguments, context| {
                    let server = answer.clone();
                    async move { server.answer(arguments, context).await }
                },
            )
    }

    /// The database of a name; the only one where none is given.
    fn entry(&self, name: Option<&str>) -> Result<&Arc<Entry>, ToolError> {
        let entries = self.catalogue.entries();
        let names: Vec<&str> = entries.iter().map(|entry| entry.source.name()).collect();
        match (name.filter(|name| !name.is_empty()), entries) {
            (_, []) => Err(ToolError::new(
                "no database is open",
                "start the server with --db, or name databases in ropewalk.toml",
            )),
            (None, [only]) => Ok(only),
            (None, _) => Err(ToolError::new(
                "there are several databases",
                format!("say which with `database`: {}", names.join(", ")),
            )),
            (Some(name), _) => self.catalogue.named(name).ok_or_else(|| {
                let fix = format!("there are: {}", names.join(", "));
                ToolError::new(format!("there is no database `{name}`"), fix)
            }),
        }
    }
}

/// Whether a database can be asked, and what its user may do that they should not.
async fn examined(entry: &Entry) -> Result<String, String> {
    let schema = entry
        .source
        .schema()
        .await
        .map_err(|error| error.to_string())?;
    let excess = entry
        .source
        .engine()
        .excess()
        .await
        .map_err(|error| error.to_string())?;
    let tables = format!(
        "{}, {} tables",
        entry.source.dialect().name(),
        schema.tables.len()
    );
    if excess.is_empty() {
        Ok(tables)
    } else {
        Ok(format!("{tables}; WARNING: {}", excess.join("; ")))
    }
}

fn failed(error: impl std::error::Error) -> ToolError {
    ToolError::from_error(&error)
}

#[cfg(test)]
mod tests;
