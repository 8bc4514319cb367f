//! A graph built and run in Rust, with a registered function for the work.
//!
//! `cargo run --example graph_in_rust`

use std::sync::Arc;

use anyhow::anyhow;
use ropewalk_core::graph::builder::{GraphBuilder, function, map, set};
use ropewalk_core::graph::compile;
use ropewalk_core::graph::library::Empty;
use ropewalk_engine::run::{self, RunOptions, RunResult};
use ropewalk_engine::services::{Functions, NoEngine, NoTools, Services};
use serde_json::{Map, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut measure = function("measure", &[]);
    if let Some(function) = &mut measure.function {
        let arguments = [("text".to_owned(), json!("{{ item }}"))];
        function.arguments = Some(arguments.into_iter().collect());
    }
    let definition = GraphBuilder::new("lengths")
        .input("texts", "array")
        .channel("lengths", "array")
        .channel("longest", "integer")
        .node("measure", map("texts", measure).write("lengths"))
        .node("compare", set("longest", "lengths|max"))
        .edge("measure", "compare")
        .output("longest")
        .build();
    let compiled = compile(definition, None, &Empty);
    for problem in &compiled.diagnostics {
        eprintln!("{problem}");
    }
    let graph = compiled
        .graph
        .ok_or_else(|| anyhow!("the graph has mistakes"))?;

    let functions = Functions::new().with("measure", |arguments| {
        let text = arguments.get("text").and_then(|text| text.as_str());
        let text = text.ok_or("it measures texts only")?;
        Ok(json!(text.chars().count()))
    });
    let services = Services {
        engines: Arc::new(NoEngine),
        tools: Arc::new(NoTools),
        functions: Arc::new(functions),
        store: None,
    };
    let texts = json!(["strand", "rope", "ropewalk"]);
    let inputs = Map::from_iter([("texts".to_owned(), texts)]);
    let end = run::start(&services, &graph, &inputs, RunOptions::default()).await?;
    match end.result {
        RunResult::Completed { outputs } => println!("{}", json!(outputs)),
        other => println!("{other:?}"),
    }
    Ok(())
}
