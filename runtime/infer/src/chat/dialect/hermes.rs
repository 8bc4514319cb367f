//! `<tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>`, a block for each call.

use super::grammar::{Calls, Offered, objects};
use super::{Dialect, Marker};

pub(super) fn calls(dialect: &Dialect, tools: &[Offered]) -> Calls {
    let open = dialect.open.lark();
    let close = dialect.close.as_ref().map(Marker::lark).unwrap_or_default();
    Calls {
        after_open: "blocks".to_owned(),
        rules: vec![
            format!("blocks: block (\"\\n\" {open} block)*"),
            format!("block: \"\\n\" call \"\\n\" {close}"),
            objects(tools, "arguments"),
        ],
    }
}
