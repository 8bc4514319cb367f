//! `ropewalk graph check`: mistakes before anything runs.

use ropewalk_core::graph::diagnostic::Severity;
use ropewalk_engine::definitions::Definitions;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::arguments::running::Means;
use crate::arguments::{Graph, Setup};
use crate::progress::{print, say};
use crate::session::{self, Needs, Session};
use crate::{Ending, configuration, drawing};

/// Made from the types; a test keeps it current.
const SCHEMA: &str = include_str!("../../docs/graph.schema.json");

pub(crate) async fn run(graph: Graph, cancel: CancellationToken) -> anyhow::Result<Ending> {
    match graph {
        Graph::Check {
            graph,
            json,
            no_tools,
            setup,
        } => check(&graph, json, no_tools, setup, &cancel).await,
        Graph::Draw(options) => drawing::draw(options).await,
        Graph::Schema => {
            print(SCHEMA.trim_end());
            Ok(Ending::Done)
        }
    }
}

async fn check(
    name: &str,
    json: bool,
    no_tools: bool,
    setup: Setup,
    cancel: &CancellationToken,
) -> anyhow::Result<Ending> {
    let registry = configuration::load(&setup)?.engines(None)?;
    let definitions = Definitions::new(session::folders()).with_engines(&*registry);
    let mut compiled = definitions.compile(name)?;
    let needs = compiled.graph.as_deref().map(Needs::of);
    if let Some(needs) = needs.filter(|needs| needs.names_tools && !no_tools) {
        let session =
            Session::open(&Means::usual(setup), false, needs.only_tools(), cancel).await?;
        compiled = session.definitions().compile(name)?;
        session.close().await;
    }
    let count = |severity| {
        let of = compiled.diagnostics.iter();
        of.filter(|found| found.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if json {
        print(
            &json!({
                "graph": name,
                "sound": compiled.graph.is_some(),
                "errors": errors,
                "warnings": warnings,
                "diagnostics": compiled.diagnostics,
            })
            .to_string(),
        );
    } else {
        for found in &compiled.diagnostics {
            print(&found.to_string());
        }
        say(&match (errors, warnings) {
            (0, 0) => format!("{name}: no mistakes found"),
            (errors, warnings) => format!("{name}: {errors} errors, {warnings} warnings"),
        });
    }
    Ok(if compiled.graph.is_some() {
        Ending::Done
    } else {
        Ending::Failed
    })
}
