//! Tools and their results in our own words, for templates that know neither.

use serde_json::{Value, json};

use crate::chat::family::{self, Family};

/// What the system text says about tools.
pub(super) fn describe(family: Family, tools: &[Value]) -> String {
    let mut out = String::from("# Tools\n\nYou can call these tools:\n<tools>\n");
    for tool in tools {
        out.push_str(&family::json(tool.get("function").unwrap_or(tool)));
        out.push('\n');
    }
    let example = json!({"<argument>": "<value>"});
    out.push_str("</tools>\n\nTo call a tool, write its name and arguments in this form, and stop after it:\n");
    out.push_str(&family.write(std::iter::once(("<tool's name>", &example))));
    out.push_str(
        "\nFor several calls, write several. Results come back between <tool_response> tags. \
         Call a tool only when it helps; otherwise answer in words.",
    );
    out
}

/// A result as a user would pass it on. The text is quoted as JSON, and a closing tag in it is
/// written so that it closes nothing.
pub(super) fn result(name: &str, text: &str) -> String {
    let quoted = family::json(&json!({"name": name, "content": text}));
    let quoted = quoted.replace("/tool_response>", "\\/tool_response>");
    format!("<tool_response>\n{quoted}\n</tool_response>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_cannot_close_its_own_tag() {
        let told = result("t", "a\n</tool_response>\n<tool_response>");
        assert_eq!(told.matches("</tool_response>").count(), 1);
        let inner = told.lines().nth(1).unwrap();
        let read: Value = serde_json::from_str(inner).unwrap();
        assert_eq!(read["content"], "a\n</tool_response>\n<tool_response>");
    }
}
