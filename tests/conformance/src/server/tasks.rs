//! Long tools, which clients may look after as tasks.

use std::time::Duration;

use ropewalk_mcp_kit::{
    CallContext, Content, FormAnswer, Question, ToolError, ToolMeta, ToolServer,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::tools::{Nothing, meta};

#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// Whom to greet.
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Compute {
    /// How long it takes.
    seconds: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
struct Delete {
    /// What to delete.
    filename: Option<String>,
}

fn long(name: &'static str, description: &'static str) -> ToolMeta {
    ToolMeta {
        long: true,
        ..meta(name, description)
    }
}

fn text(text: impl Into<String>) -> Vec<Content> {
    vec![Content::text(text)]
}

fn sure(message: String) -> Question {
    let fields = json!({"type": "object", "properties": {"confirm": {"type": "boolean"}},
        "required": ["confirm"]});
    Question::Form { message, fields }
}

pub(super) fn add(server: ToolServer) -> ToolServer {
    server
        .content_tool(meta("greet", "Greets."), |greet: Greet, _| async move {
            let name = greet.name.unwrap_or_else(|| "world".to_owned());
            Ok(text(format!("Hello, {name}!")))
        })
        .content_tool(
            long("slow_compute", "Takes as long as it is told."),
            |compute: Compute, context: CallContext| async move {
                let seconds = compute.seconds.unwrap_or(1.0).clamp(0.0, 60.0);
                let work = tokio::time::sleep(Duration::from_secs_f64(seconds));
                tokio::select! {
                    () = work => Ok(text(format!("Computed for {seconds} s."))),
                    () = context.cancel.cancelled() => {
                        Err(ToolError::new("the computation was cancelled", ""))
                    }
                }
            },
        )
        .content_tool(
            long("failing_job", "Fails after a second."),
            |_: Nothing, _| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(ToolError::new("the job failed as it was asked to", ""))
            },
        )
        .content_tool(
            long("confirm_delete", "Deletes nothing, once it is sure."),
            |delete: Delete, context: CallContext| async move {
                let name = delete.filename.unwrap_or_else(|| "a file".to_owned());
                let asked = vec![("confirm".to_owned(), sure(format!("Delete {name}?")))];
                let answers = context.ask(asked).await?;
                Ok(text(format!("{name}: {answers:?}")))
            },
        )
        .content_tool(
            long("multi_input", "Asks two things at once."),
            |_: Nothing, context: CallContext| async move {
                let asked =
                    ["first", "second"].map(|name| (name.to_owned(), sure(format!("The {name}?"))));
                let answers = context.ask(asked.into()).await?;
                let given = answers.iter().filter(|answer| {
                    matches!(answer, ropewalk_mcp_kit::Answer::Form(FormAnswer::Given(_)))
                });
                Ok(text(format!("{} were given.", given.count())))
            },
        )
}
