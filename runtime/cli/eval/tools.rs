//! `ropewalk eval tools`: whether tool search finds the tool for a request, and what offering only
//! what it finds saves.

use anyhow::bail;
use ropewalk_core::tokens;
use ropewalk_core::tool::{ToolHints, ToolSpec};
use ropewalk_embed::Embedder;
use ropewalk_host::search::ToolIndex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::beir::{self, Document};
use super::metrics::{self, Metrics};
use crate::Ending;
use crate::arguments::measuring::EvalTools;
use crate::progress::{self, print};

/// Ranks that any of the metrics looks at.
const DEPTH: usize = 10;

pub(crate) async fn run(options: EvalTools, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let dataset = beir::read(&options.folder)?;
    if options.offered == 0 {
        bail!("--offered 0 offers nothing; write 1 or more");
    }
    let tools: Vec<ToolSpec> = dataset.documents.iter().map(tool).collect();
    let bar = progress::bar("embedding");
    let indexing = tokio::task::spawn_blocking(move || {
        let embedder = Embedder::shipped()?;
        let index = ToolIndex::new(&tools, Some(&embedder))?;
        Ok::<_, anyhow::Error>((tools, index))
    });
    let indexed = tokio::select! {
        indexed = indexing => Some(indexed??),
        // It is left behind; the program ends without it.
        () = cancel.cancelled() => None,
    };
    bar.finish_and_clear();
    let Some((tools, index)) = indexed else {
        return Ok(Ending::Interrupted);
    };
    let bar = progress::bar("searching");
    bar.set_length(dataset.queries.len() as u64);
    let mut total = Metrics::default();
    let mut offered = 0_u64;
    for query in &dataset.queries {
        if cancel.is_cancelled() {
            bar.finish_and_clear();
            return Ok(Ending::Interrupted);
        }
        let found =
            tokio::task::block_in_place(|| index.find(&query.text, DEPTH.max(options.offered)))?;
        let ids = found
            .iter()
            .filter_map(|found| dataset.documents.get(found.index))
            .map(|document| document.id.clone());
        total.add(&ids.take(DEPTH).collect::<Vec<_>>(), &query.relevant);
        let first = found.iter().take(options.offered);
        offered += first
            .filter_map(|found| tools.get(found.index))
            .map(tokens::of_tool)
            .sum::<u64>();
        bar.inc(1);
    }
    bar.finish_and_clear();
    let all = tokens::of_tools(&tools);
    let mean = offered as f64 / dataset.queries.len().max(1) as f64;
    let share = mean / all.max(1) as f64 * 100.0;
    if options.json {
        let mut figures = total.to_json();
        if let Value::Object(figures) = &mut figures {
            figures.insert("tools".to_owned(), json!(tools.len()));
            figures.insert("offered_tokens".to_owned(), json!(mean.round()));
            figures.insert("all_tokens".to_owned(), json!(all));
        }
        print(&figures.to_string());
    } else {
        print(&format!(
            "{}: {} tools, {} requests",
            options.folder.display(),
            tools.len(),
            dataset.queries.len()
        ));
        print(metrics::HEADER);
        print(&total.row("tools"));
        print(&format!(
            "{} offered: {mean:.0} of {all} tokens of definitions, {share:.1} %",
            options.offered
        ));
    }
    Ok(Ending::Done)
}

fn tool(document: &Document) -> ToolSpec {
    ToolSpec {
        name: document.title.clone(),
        description: document.text.clone(),
        input_schema: document.input_schema.clone(),
        output_schema: None,
        hints: ToolHints::default(),
    }
}
