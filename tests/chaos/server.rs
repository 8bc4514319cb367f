//! A server with 22 tools, whose effects are lines of a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ropewalk_mcp_kit::{CallContext, ServerIdentity, ToolError, ToolMeta, ToolServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Calls after which the mortal one dies, in the middle of the next.
const LIFE: u32 = 40;

#[derive(Deserialize, JsonSchema)]
struct Number {
    number: u64,
}

#[derive(Serialize, JsonSchema)]
struct Said {
    server: String,
    tool: String,
    number: u64,
}

pub fn run(arguments: &[&str]) {
    let [name, effects] = arguments else {
        panic!("server NAME FILE");
    };
    let (name, effects) = ((*name).to_owned(), (*effects).to_owned());
    let ready = format!("{effects}.ready");
    if name == "late" && !std::path::Path::new(&ready).exists() {
        eprintln!("not ready yet");
        std::process::exit(1);
    }
    let mut server = ToolServer::new(ServerIdentity {
        name: name.clone(),
        title: name.clone(),
        version: "1".to_owned(),
        instructions: String::new(),
    });
    let calls = Arc::new(AtomicU32::new(0));
    for tool in (0..20)
        .map(|number| format!("echo_{number}"))
        .chain(["bump".to_owned(), "again".to_owned()])
    {
        let changes = tool == "bump";
        let meta = ToolMeta {
            read_only: !changes,
            idempotent: !changes,
            ..ToolMeta::reading(tool.clone(), "A tool", "Says back its number.")
        };
        let (name, effects, calls) = (name.clone(), effects.clone(), Arc::clone(&calls));
        server = server.tool(meta, move |given: Number, _: CallContext| {
            let said = Said {
                server: name.clone(),
                tool: tool.clone(),
                number: given.number,
            };
            let result = act(&said, &effects, changes, &calls);
            async move { result.map(|()| said) }
        });
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // What becomes of the connection is the host's business.
    let _ = runtime.block_on(server.serve_stdio(CancellationToken::new()));
    std::process::exit(0);
}

fn act(said: &Said, effects: &str, changes: bool, calls: &AtomicU32) -> Result<(), ToolError> {
    let dies = said.server == "mortal" && calls.fetch_add(1, Ordering::SeqCst) >= LIFE;
    if dies && said.number.is_multiple_of(2) {
        std::process::abort();
    }
    if changes {
        // One write: lines of two processes do not mix.
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(effects)
            .unwrap();
        file.write_all(format!("{}\n", said.number).as_bytes())
            .unwrap();
    }
    if dies {
        std::process::abort();
    }
    Ok(())
}
