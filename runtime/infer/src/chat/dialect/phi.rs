//! `<|tool_call|>[{"name": ..., "arguments": {...}}, ...]<|/tool_call|>`, or `functools[...]`.

use super::grammar::{Calls, Offered, objects};
use super::{Dialect, Marker};

pub(super) fn calls(dialect: &Dialect, tools: &[Offered]) -> Calls {
    // `functools[` has the bracket in it.
    let bracket = if dialect.open.text.ends_with('[') {
        ""
    } else {
        "\"[\" "
    };
    // Granite writes the same without an end.
    let close = dialect.close.as_ref().map(Marker::lark);
    let close = close.map_or(String::new(), |close| format!(" {close}?"));
    Calls {
        after_open: format!("{bracket}call (\", \" call)* \"]\"{close}"),
        rules: vec![objects(tools, "arguments")],
    }
}
