//! Which of its tools an agent's model sees.
//!
//! Where they are few, all of them. Where they are many, those that its definition names in full,
//! the best for what it is asked, and `find_tools`, with which the model finds more; those are seen
//! from then on. What was found is in the log, so that a replay sees the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::event::{EffectOutcome, EffectRequest};
use ropewalk_core::tool::{ToolCall, ToolHints, ToolOutcome, ToolSpec};
use serde_json::{Value, json};

use super::attempt::{At, Halt};
use crate::journal::{Effect, Mode, Stop};
use crate::path;
use crate::services::Tools;

/// The tool that finds tools.
pub(super) const FIND_TOOLS: &str = "find_tools";

/// What the first choice of tools is called in the log.
const FIRST_CHOICE: &str = "the tools on offer";

/// Characters of a description that are repeated when a tool is found.
const MOST_OF_DESCRIPTION: usize = 200;

/// The tools an agent may use, and those among them that are on offer.
pub(super) struct Offer {
    /// All it may use, by name.
    visible: Vec<ToolSpec>,
    /// How many are found at a time; nothing where all are on offer.
    count: Option<usize>,
}

impl Offer {
    /// The tools an agent may use, in one order, so that what an engine has read of them is of use to
    /// the next request.
    pub(super) fn of(at: &At<'_>, agent: &AgentDefinition) -> Self {
        let tools = at.shared.tools.values();
        let mut visible: Vec<ToolSpec> = tools
            .filter(|tool| agent.sees(&tool.name))
            .cloned()
            .collect();
        visible.sort_by(|a, b| a.name.cmp(&b.name));
        let search = agent.settings.tool_search;
        let count = (visible.len() > search.above).then_some(search.offer.max(1));
        Self { visible, count }
    }

    /// The tools that are on offer at first, and how many effects that took.
    pub(super) async fn first(
        &mut self,
        at: &At<'_>,
        agent: &AgentDefinition,
        question: &str,
    ) -> Result<(Vec<ToolSpec>, u32), Halt> {
        let slot = path::slot(&at.path, at.attempt, 0);
        let journal = &at.shared.journal;
        let logged = journal.with_past(|past| {
            let outcome = past.effects.get(&slot)?.outcome.as_ref()?;
            Some(matches!(outcome, EffectOutcome::Value { value } if value.get("tools").is_some()))
        });
        let searches = match logged {
            // The run began with as many tools as there were then.
            Some(searched) => searched,
            None => self.count.is_some() && journal.mode() == Mode::Live,
        };
        if !searches {
            self.count = None;
            return Ok((self.visible.clone(), 0));
        }
        let count = *self
            .count
            .get_or_insert(agent.settings.tool_search.offer.max(1));
        let about = FIRST_CHOICE.to_owned();
        let effect = Effect::new(slot, &at.path, true, EffectRequest::Decision { about });
        let found = self.found(at, effect, question, count).await?;
        let Ok(found) = found else {
            // Nothing can be searched: better too many than none.
            self.count = None;
            return Ok((self.visible.clone(), 1));
        };
        let named = self.visible.iter().filter(|tool| agent.names(&tool.name));
        let names: BTreeSet<&str> = named
            .map(|tool| tool.name.as_str())
            .chain(found.iter().map(String::as_str))
            .collect();
        let first = self.visible.iter();
        let first = first
            .filter(|tool| names.contains(tool.name.as_str()))
            .cloned();
        let first = std::iter::once(self.finder()).chain(first).collect();
        Ok((first, 1))
    }

    /// Whether a call is one of `find_tools`.
    pub(super) fn is_search(&self, call: &ToolCall) -> bool {
        self.count.is_some() && call.name == FIND_TOOLS
    }

    /// A call of `find_tools`: what the model is told, and the tools it sees from now on.
    pub(super) async fn search(
        &self,
        at: &At<'_>,
        slot: String,
        call: &ToolCall,
    ) -> Result<(ToolOutcome, Vec<ToolSpec>), Halt> {
        let wanted = call.arguments.get("wanted").and_then(Value::as_str);
        let wanted = wanted.unwrap_or_default().trim();
        if wanted.is_empty() {
            let message = "say in `wanted` what the tool is to do, in words".to_owned();
            return Ok((ToolOutcome::Error { message }, Vec::new()));
        }
        let request = EffectRequest::Function {
            name: FIND_TOOLS.to_owned(),
            arguments: Arc::new(call.arguments.clone()),
        };
        let effect = Effect::new(slot, &at.path, true, request);
        let count = self.count.unwrap_or(1);
        let names = match self.found(at, effect, wanted, count).await? {
            Ok(names) => names,
            Err(message) => return Ok((ToolOutcome::Error { message }, Vec::new())),
        };
        let find = |name: &String| self.visible.iter().find(|tool| tool.name == *name);
        let tools: Vec<ToolSpec> = names.iter().filter_map(find).cloned().collect();
        let text = if tools.is_empty() {
            "No tool fits that. Say it in other words, or do without.".to_owned()
        } else {
            let lines: Vec<String> = tools.iter().map(told).collect();
            format!("You can call these now:\n{}", lines.join("\n"))
        };
        let outcome = ToolOutcome::Ok {
            text,
            structured: Some(json!({"tools": names})),
        };
        Ok((outcome, tools))
    }

    /// Names of tools that fit a request, through the journal.
    async fn found(
        &self,
        at: &At<'_>,
        effect: Effect,
        request: &str,
        count: usize,
    ) -> Result<Result<Vec<String>, String>, Stop> {
        let tools = Arc::clone(&at.shared.services.tools);
        let outcome = at.effect(effect, |_, _| async move {
            let value = match best(&*tools, &self.visible, request, count).await {
                Ok(names) => json!({"tools": names}),
                Err(problem) => json!({"tools": [], "problem": problem}),
            };
            EffectOutcome::Value {
                value: Arc::new(value),
            }
        });
        let value = match outcome.await? {
            EffectOutcome::Value { value } => value,
            _ => return Ok(Err("the log holds something else".to_owned())),
        };
        if let Some(problem) = value.get("problem").and_then(Value::as_str) {
            return Ok(Err(problem.to_owned()));
        }
        let names = value.get("tools").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        Ok(Ok(names.map(str::to_owned).collect()))
    }

    fn finder(&self) -> ToolSpec {
        let count = self.visible.len();
        ToolSpec {
            name: FIND_TOOLS.to_owned(),
            description: format!(
                "Finds more tools. There are {count}, and you see only those that seem to fit; what \
                 this finds you can call from then on."
            ),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "wanted": {"type": "string", "description": "What the tool is to do, in words."}
                },
                "required": ["wanted"],
                "additionalProperties": false
            }),
            output_schema: None,
            hints: ToolHints {
                read_only: true,
                idempotent: true,
                destructive: false,
                open_world: false,
            },
        }
    }
}

/// The best of the tools that may be used.
async fn best(
    tools: &dyn Tools,
    visible: &[ToolSpec],
    request: &str,
    count: usize,
) -> Result<Vec<String>, String> {
    // Some of the best may be none of the agent's.
    let ranked = tools.find(request, usize::MAX).await?;
    let usable = |name: &String| visible.iter().any(|tool| tool.name == *name);
    Ok(ranked.into_iter().filter(usable).take(count).collect())
}

fn told(tool: &ToolSpec) -> String {
    let text: String = tool.description.chars().take(MOST_OF_DESCRIPTION).collect();
    format!("- {}: {}", tool.name, text.replace('\n', " "))
}
