//! `[TOOL_CALLS]`, and either a JSON array or names with their arguments.

use super::Dialect;
use super::grammar::{Calls, Offered, literal, objects};

/// `[TOOL_CALLS][{"name": ..., "arguments": {...}}, ...]`; the older tokenizers put a space before
/// the bracket.
pub(super) fn array(_: &Dialect, tools: &[Offered]) -> Calls {
    Calls {
        after_open: "/ ?\\[/ call (\", \" call)* \"]\"".to_owned(),
        rules: vec![objects(tools, "arguments")],
    }
}

/// `[TOOL_CALLS]name[ARGS]{...}`, again for each call.
pub(super) fn named(dialect: &Dialect, tools: &[Offered]) -> Calls {
    let arguments = dialect.arguments.lark();
    let forms = tools.iter().map(|tool| {
        let name = literal(&tool.name);
        format!("{name} {arguments} %json {}", tool.schema)
    });
    let open = dialect.open.lark();
    Calls {
        after_open: format!("call ({open} call)*"),
        rules: vec![format!(
            "call: {}",
            forms.collect::<Vec<_>>().join("\n    | ")
        )],
    }
}
