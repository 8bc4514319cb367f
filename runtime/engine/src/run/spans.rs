//! Spans in the words of the OpenTelemetry conventions for generative AI.

use ropewalk_core::message::ChatReply;
use tracing::Span;

use crate::run_id::RunId;

/// A run.
pub(super) fn run(run: RunId, graph: &str) -> Span {
    tracing::info_span!(
        "invoke_workflow",
        otel.name = format!("invoke_workflow {graph}"),
        gen_ai.operation.name = "invoke_workflow",
        gen_ai.workflow.name = graph,
        ropewalk.run = %run,
    )
}

/// A node.
pub(super) fn node(path: &str, kind: &str, name: &str) -> Span {
    match kind {
        "agent" => tracing::info_span!(
            "invoke_agent",
            otel.name = format!("invoke_agent {name}"),
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = name,
            ropewalk.node.path = path,
        ),
        _ => tracing::info_span!(
            "node",
            otel.name = format!("{kind} {path}"),
            ropewalk.node.path = path,
            ropewalk.node.kind = kind,
        ),
    }
}

/// A call of a model.
pub(crate) fn model(engine: &str) -> Span {
    tracing::info_span!(
        "chat",
        otel.name = format!("chat {engine}"),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = engine,
        gen_ai.response.model = tracing::field::Empty,
        gen_ai.usage.input_tokens = tracing::field::Empty,
        gen_ai.usage.cache_read.input_tokens = tracing::field::Empty,
        gen_ai.usage.output_tokens = tracing::field::Empty,
        error.type = tracing::field::Empty,
    )
}

/// A call of a tool.
pub(super) fn tool(name: &str, call_id: &str) -> Span {
    tracing::info_span!(
        "execute_tool",
        otel.name = format!("execute_tool {name}"),
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = name,
        gen_ai.tool.call.id = call_id,
        error.type = tracing::field::Empty,
    )
}

/// What a call of a model came to.
pub(crate) fn replied(span: &Span, reply: &ChatReply) {
    span.record("gen_ai.usage.input_tokens", reply.usage.input_tokens);
    span.record("gen_ai.usage.output_tokens", reply.usage.output_tokens);
    span.record(
        "gen_ai.usage.cache_read.input_tokens",
        reply.usage.cached_tokens,
    );
    if let Some(engine) = &reply.engine {
        span.record("gen_ai.response.model", engine);
    }
}
