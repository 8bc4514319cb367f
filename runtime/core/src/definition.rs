//! An agent as a person writes it: YAML front matter, then the system prompt in Markdown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::Sampling;

/// An agent: a model, tools and a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentDefinition {
    /// What is in the front matter.
    #[serde(flatten)]
    pub settings: AgentSettings,
    /// The system prompt.
    pub prompt: String,
}

/// The front matter of an agent file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentSettings {
    /// Names the agent.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Tools it may see, by name; `*` stands for any run of characters.
    #[serde(default = "every_tool")]
    pub tools: Vec<String>,
    /// What it may spend.
    #[serde(default)]
    pub limits: Limits,
    /// How its model samples.
    #[serde(default)]
    pub sampling: Sampling,
    /// The engine that reasons, where the node names none and it is not the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// How many of its tools its model sees at once.
    #[serde(default, skip_serializing_if = "ToolSearch::is_default")]
    pub tool_search: ToolSearch,
    /// When its conversation is made shorter.
    #[serde(default, skip_serializing_if = "ContextSettings::is_default")]
    pub context: ContextSettings,
}

/// How many tools a model sees at once: all of them where they are few, else the best for what it is
/// asked and `find_tools`, which brings more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolSearch {
    /// More tools than this are searched.
    pub above: usize,
    /// So many are seen then at first, and so many more are found at a time.
    pub offer: usize,
}

impl Default for ToolSearch {
    fn default() -> Self {
        Self {
            above: 16,
            offer: 8,
        }
    }
}

impl ToolSearch {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// When a conversation is made shorter, as shares (0 to 1) of what its engine can read beside the
/// reply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContextSettings {
    /// It is made shorter when it is longer than this.
    pub compact_at: f64,
    /// How long it is then.
    pub compact_to: f64,
}

impl Default for ContextSettings {
    fn default() -> Self {
        Self {
            compact_at: 0.8,
            compact_to: 0.5,
        }
    }
}

impl ContextSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The two shares of a number of tokens; shares that make no sense are moved to where they do.
    pub fn shares(self, tokens: u64) -> (u64, u64) {
        let at = if self.compact_at.is_finite() {
            self.compact_at.clamp(0.1, 1.0)
        } else {
            1.0
        };
        let to = if self.compact_to.is_finite() {
            self.compact_to.clamp(0.05, at)
        } else {
            at
        };
        ((tokens as f64 * at) as u64, (tokens as f64 * to) as u64)
    }
}

/// What one run of an agent may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls of the model, the last one without tools included.
    pub model_calls: u32,
    /// Calls of tools.
    pub tool_calls: u32,
    /// Characters of one tool result that the model reads; the rest is cut, and said to be.
    pub result_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            model_calls: 12,
            tool_calls: 24,
            result_chars: 24_000,
        }
    }
}

fn every_tool() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What is wrong with an agent file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: line {line}, column {column}: {message}")]
pub struct DefinitionError {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

impl AgentDefinition {
    /// Reads an agent file. `path` is for messages only.
    ///
    /// # Errors
    /// No front matter, YAML that does not parse, an unknown or missing key, an empty prompt.
    pub fn parse(path: &str, text: &str) -> Result<Self, DefinitionError> {
        let refuse = |line, column, message: String| DefinitionError {
            path: path.to_owned(),
            line,
            column,
            message,
        };
        let text = text
            .strip_prefix('\u{feff}')
            .unwrap_or(text)
            .replace("\r\n", "\n");
        let Some((front, prompt)) = split_front_matter(&text) else {
            return Err(refuse(
                1,
                1,
                "an agent file starts with front matter between two lines of `---`".to_owned(),
            ));
        };
        let settings: AgentSettings = serde_norway::from_str(front).map_err(|error| {
            let (line, column) = error
                .location()
                .map_or((1, 1), |at| (at.line(), at.column()));
            // The opening line of dashes comes before the first line of YAML.
            refuse(line + 1, column, error.to_string())
        })?;
        if prompt.trim().is_empty() {
            let line = front.lines().count() + 3;
            return Err(refuse(
                line,
                1,
                "the prompt below the front matter is empty".to_owned(),
            ));
        }
        Ok(Self {
            settings,
            prompt: prompt.trim().to_owned(),
        })
    }

    /// Whether it names a tool in full: such a tool is always seen.
    pub fn names(&self, tool: &str) -> bool {
        self.settings.tools.iter().any(|name| name == tool)
    }

    /// Whether the agent may see a tool.
    pub fn sees(&self, tool: &str) -> bool {
        self.settings
            .tools
            .iter()
            .any(|pattern| matches(pattern, tool))
    }
}

pub(crate) fn split_front_matter(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n")?;
    if let Some(prompt) = rest.strip_prefix("---\n") {
        return Some(("", prompt));
    }
    rest.split_once("\n---\n")
        .or_else(|| rest.strip_suffix("\n---").map(|front| (front, "")))
}

/// `*` stands for any run of characters; everything else for itself.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    let ends = name
        .char_indices()
        .map(|(index, _)| index)
        .chain([name.len()]);
    rest.is_empty()
        || ends
            .filter_map(|index| name.get(index..))
            .any(|tail| matches(rest, tail))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_agent_file_is_read() {
        let text = "---\nname: a\ntools: [vector__*]\nlimits: {model_calls: 3}\n---\n\nBe brief.\n";
        let agent = AgentDefinition::parse("a.md", text).unwrap();
        assert_eq!(agent.prompt, "Be brief.");
        assert_eq!(
            agent.settings.limits,
            Limits {
                model_calls: 3,
                ..Limits::default()
            }
        );
        assert!(agent.sees("vector__search") && !agent.sees("web__search"));
    }

    #[test]
    fn mistakes_name_their_place() {
        let error = |text: &str| {
            AgentDefinition::parse("a.md", text)
                .unwrap_err()
                .to_string()
        };
        assert!(error("Be brief.").starts_with("a.md: line 1, column 1: an agent file starts"));
        let unknown = error("---\nname: a\ntool: []\n---\nx");
        assert!(
            unknown.contains("line 3") && unknown.contains("`tool`"),
            "{unknown}"
        );
        assert!(error("---\nname: a\n---\n \n").contains("line 4, column 1: the prompt"));
        assert!(error("---\nname: [\n---\nx").contains("a.md: line"));
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(matches("*", "") && matches("a*c", "abc") && matches("*b*", "abc"));
        assert!(!matches("a*c", "abd") && !matches("", "a"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(---\n)?\\PC{0,80}(\n---\n)?\\PC{0,20}") {
            let _ = AgentDefinition::parse("a.md", &text);
        }
    }
}
