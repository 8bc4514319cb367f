//! Whether what is written fits its channel, where that can be told before a run.

use std::collections::HashSet;

use fixedbitset::FixedBitSet;
use serde_json::Value;

use super::{node_path, written};
use crate::graph::compile::{Parts, near, problem_of};
use crate::graph::definition::ValueType;
use crate::graph::diagnostic::{Code, Diagnostic};
use crate::graph::expression::Expression;
use crate::graph::ir::{Argument, Channel, ChannelId, Node, NodeId, Work, WritePlan};
use crate::graph::library::{Found, Library};
use crate::tool::ToolSpec;

/// What is known of a value.
#[derive(Debug, Clone)]
enum Known {
    Nothing,
    Type(ValueType),
    Schema(Value),
}

impl Known {
    fn value_type(&self) -> Option<ValueType> {
        match self {
            Known::Nothing => None,
            Known::Type(value_type) => Some(*value_type).filter(|t| *t != ValueType::Any),
            Known::Schema(schema) => {
                let name = schema.get("type")?.as_str()?;
                serde_json::from_value(Value::String(name.to_owned())).ok()
            }
        }
    }
}

pub(super) fn check(parts: &Parts, library: &dyn Library, problems: &mut Vec<Diagnostic>) {
    let mut checker = Checker {
        parts,
        problems,
        path: String::new(),
        writers: writers(parts),
        inputs: parts.inputs.iter().copied().collect(),
    };
    for id in parts.flow.node_indices() {
        let Some(node) = parts.flow.node_weight(id) else {
            continue;
        };
        checker.path = node_path(&parts.flow, id);
        let tool = match &node.work {
            Work::Tool { name, .. } => match library.tool(name) {
                Found::Yes(spec) => Some(spec),
                _ => None,
            },
            _ => None,
        };
        let path = checker.path.clone();
        checker.arguments(&node.work, tool.as_ref(), &path, library);
        checker.map_over(&node.work, &path);
        checker.writes(node, tool.as_ref());
        checker.read_before_written(id, node);
    }
}

fn writers(parts: &Parts) -> Vec<FixedBitSet> {
    let none = FixedBitSet::with_capacity(parts.flow.node_count());
    let mut writers = vec![none; parts.channels.len()];
    for id in parts.flow.node_indices() {
        for channel in parts.flow.node_weight(id).map(written).unwrap_or_default() {
            if let Some(writers) = writers.get_mut(channel.0 as usize) {
                writers.insert(id.index());
            }
        }
    }
    writers
}

struct Checker<'a> {
    parts: &'a Parts,
    problems: &'a mut Vec<Diagnostic>,
    path: String,
    /// For each channel: the nodes that write it.
    writers: Vec<FixedBitSet>,
    inputs: HashSet<ChannelId>,
}

impl Checker<'_> {
    fn error(&mut self, code: Code, path: &str, message: String, hint: &str) {
        self.problems
            .push(Diagnostic::error(code, path, message).hint(hint));
    }

    fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.parts.channels.get(id.0 as usize)
    }

    fn map_over(&mut self, work: &Work, path: &str) {
        let Work::Map { over, each, .. } = work else {
            return;
        };
        let path = format!("{path}.map");
        let channel = match over.names() {
            [name] if name == over.source().trim() => self
                .parts
                .channel_names
                .get(name)
                .and_then(|id| self.channel(*id)),
            _ => None,
        };
        let wrong = match channel {
            Some(channel) if !matches!(channel.value_type, ValueType::Array | ValueType::Any) => {
                Some(format!(
                    "`{}` holds {}",
                    channel.name,
                    channel.value_type.words()
                ))
            }
            Some(_) => None,
            None => over
                .constant()
                .filter(|value| !value.is_array())
                .map(|_| format!("`{}` is no list", over.source())),
        };
        if let Some(wrong) = wrong {
            let message = format!("{wrong}; a map needs a list");
            let hint = "declare the channel as `array`, or write an expression that gives a list";
            self.error(Code::MapOver, &format!("{path}.over"), message, hint);
        }
        self.map_over(&each.work, &format!("{path}.each"));
    }

    fn arguments(
        &mut self,
        work: &Work,
        tool: Option<&ToolSpec>,
        path: &str,
        library: &dyn Library,
    ) {
        if let Work::Map { each, .. } = work {
            let tool = match &each.work {
                Work::Tool { name, .. } => match library.tool(name) {
                    Found::Yes(spec) => Some(spec),
                    _ => None,
                },
                _ => None,
            };
            self.arguments(
                &each.work,
                tool.as_ref(),
                &format!("{path}.map.each"),
                library,
            );
        }
        let (
            Work::Tool {
                arguments: Argument::Object(given),
                name,
            },
            Some(spec),
        ) = (work, tool)
        else {
            return;
        };
        let path = format!("{path}.tool");
        let empty = serde_json::Map::new();
        let properties = spec
            .input_schema
            .get("properties")
            .and_then(Value::as_object);
        let properties = properties.unwrap_or(&empty);
        let known: Vec<String> = properties.keys().cloned().collect();
        let required = spec.input_schema.get("required").and_then(Value::as_array);
        for needed in required.into_iter().flatten().filter_map(Value::as_str) {
            if !given.iter().any(|(name, _)| name == needed) {
                let message = format!("the tool `{name}` needs the argument `{needed}`");
                let hint = format!("add `{needed}` under `arguments`");
                self.error(Code::Arguments, &path, message, &hint);
            }
        }
        let closed = spec.input_schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (argument, value) in given {
            let path = format!("{path}.arguments.{argument}");
            let Some(schema) = properties.get(argument) else {
                if closed || !known.is_empty() {
                    let message = format!("the tool `{name}` has no argument `{argument}`");
                    self.error(Code::Arguments, &path, message, &near(argument, &known));
                }
                continue;
            };
            let fixed = match value {
                Argument::Fixed(value) => Some(value.clone()),
                Argument::Made(template) if template.single().is_none() => {
                    Some(Value::String("text".to_owned()))
                }
                _ => None,
            };
            let made = matches!(value, Argument::Made(_));
            let Some(fixed) = fixed else { continue };
            // What a template will say is not known, only that it is text.
            let schema = if made {
                schema.get("type").map_or(
                    Value::Bool(true),
                    |wanted| serde_json::json!({"type": wanted}),
                )
            } else {
                schema.clone()
            };
            let Ok(validator) = jsonschema::validator_for(&schema) else {
                continue;
            };
            if let Some(problem) = problem_of(&fixed, ValueType::Any, Some(&validator)) {
                let message = format!("`{argument}` does not fit the tool `{name}`: {problem}");
                self.error(Code::Arguments, &path, message, "");
            }
        }
    }

    fn writes(&mut self, node: &Node, tool: Option<&ToolSpec>) {
        let result = result_of(&node.work, tool);
        let path = self.path.clone();
        match (&node.work, &node.writes) {
            (Work::Set { values }, _) => {
                for (channel, expression) in values {
                    let path = format!("{path}.set");
                    self.expression(*channel, expression, &Known::Nothing, &path);
                }
            }
            (_, WritePlan::Nothing) => {}
            (_, WritePlan::Whole(channel)) => {
                self.fits(*channel, &result, &format!("{path}.writes"), "the result");
            }
            (_, WritePlan::Fields(channels)) => {
                for (index, channel) in channels.iter().enumerate() {
                    let name = self.channel(*channel).map(|channel| channel.name.clone());
                    let name = name.unwrap_or_default();
                    let path = format!("{path}.writes[{index}]");
                    match field(&result, &name) {
                        Ok(known) => self.fits(*channel, &known, &path, &format!("`{name}`")),
                        Err(hint) => {
                            let message = format!("the result has no field `{name}`");
                            self.error(Code::Type, &path, message, &hint);
                        }
                    }
                }
            }
            (_, WritePlan::Expressions(values)) => {
                for (channel, expression) in values {
                    self.expression(*channel, expression, &result, &format!("{path}.writes"));
                }
            }
        }
    }

    fn expression(
        &mut self,
        channel: ChannelId,
        expression: &Expression,
        result: &Known,
        path: &str,
    ) {
        let name = self.channel(channel).map(|channel| channel.name.clone());
        let path = format!("{path}.{}", name.unwrap_or_default());
        if let Some(value) = expression.constant() {
            let Some(known) = self.channel(channel) else {
                return;
            };
            if let Some(problem) = known.problem_of_write(&value) {
                let message = format!("the value does not fit `{}`: {problem}", known.name);
                self.error(Code::Type, &path, message, "");
            }
            return;
        }
        match of_expression(expression.source(), result, self.parts) {
            Ok(known) => self.fits(
                channel,
                &known,
                &path,
                &format!("`{}`", expression.source()),
            ),
            Err(hint) => {
                let message = format!("`{}` is not in the result", expression.source());
                self.error(Code::Type, &path, message, &hint);
            }
        }
    }

    fn fits(&mut self, channel: ChannelId, known: &Known, path: &str, what: &str) {
        let Some(channel) = self.channel(channel) else {
            return;
        };
        let (wanted, Some(given)) = (channel.takes(), known.value_type()) else {
            return;
        };
        let fits = wanted == ValueType::Any
            || wanted == given
            || (wanted == ValueType::Number && given == ValueType::Integer)
            // A number may turn out whole.
            || (wanted == ValueType::Integer && given == ValueType::Number);
        if !fits {
            let message = format!(
                "{what} is {}, and `{}` takes {}",
                given.words(),
                channel.name,
                wanted.words()
            );
            let hint = "change the channel's type, or write an expression that gives it";
            self.error(Code::Type, path, message, hint);
        }
    }

    /// A channel that is read, is no input, has no default, and that nothing before writes.
    fn read_before_written(&mut self, id: NodeId, node: &Node) {
        let plan = &self.parts.plan;
        for channel in &node.reads {
            let Some(known) = self.channel(*channel) else {
                continue;
            };
            if known.default.is_some() || self.inputs.contains(channel) {
                continue;
            }
            let Some(writers) = self.writers.get(channel.0 as usize) else {
                continue;
            };
            let before = plan.before.get(id.index());
            // An edge out of a node sees what the node has written, and a loop what its earlier
            // turns have.
            let early = writers.contains(id.index())
                || before.is_some_and(|before| !before.is_disjoint(writers))
                || plan.loops_around(id).first().is_some_and(|around| {
                    // Two nodes share a loop if they share the outermost.
                    let other = |node| plan.loops_around(NodeId::new(node)).first();
                    writers.ones().any(|node| other(node) == Some(around))
                });
            // A race is reported as such.
            let flow = &self.parts.flow;
            let raced = || {
                writers
                    .ones()
                    .any(|writer| plan.may_overlap(flow, NodeId::new(writer), id))
            };
            if !early && !raced() {
                let name = known.name.clone();
                let message = format!(
                    "`{}` reads `{name}`, and nothing before it writes it",
                    node.name
                );
                let hint = format!(
                    "write `{name}` in an earlier node, give it a default, or make it an input"
                );
                let path = self.path.clone();
                self.error(Code::NeverWritten, &path, message, &hint);
            }
        }
    }
}

/// What is known of a node's result.
fn result_of(work: &Work, tool: Option<&ToolSpec>) -> Known {
    let of_schema = |schema: &Option<Value>| {
        schema
            .clone()
            .map_or(Known::Type(ValueType::String), Known::Schema)
    };
    match work {
        Work::Agent { .. } => Known::Type(ValueType::String),
        Work::Model { schema, .. } => of_schema(schema),
        Work::Tool { .. } => match tool {
            Some(spec) => of_schema(&spec.output_schema),
            None => Known::Nothing,
        },
        Work::Map { .. } => Known::Type(ValueType::Array),
        Work::Graph { graph, .. } => {
            let fields = graph.outputs().iter().map(|id| {
                let name = graph.channel_name(*id).to_owned();
                (name, Value::Object(serde_json::Map::new()))
            });
            let properties: serde_json::Map<String, Value> = fields.collect();
            Known::Schema(serde_json::json!({
                "type": "object", "properties": properties, "additionalProperties": false,
            }))
        }
        Work::Human {
            schema, propose, ..
        } => match (schema, propose) {
            (Some(schema), _) => Known::Schema(schema.clone()),
            (None, None) => Known::Type(ValueType::String),
            (None, Some(_)) => Known::Nothing,
        },
        Work::Function { .. } | Work::Set { .. } => Known::Nothing,
    }
}

/// A field of a value, or what fields there are.
fn field(known: &Known, name: &str) -> Result<Known, String> {
    match known {
        Known::Schema(schema) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                return Ok(Known::Nothing);
            };
            match properties.get(name) {
                Some(schema) => Ok(Known::Schema(schema.clone())),
                None => {
                    let names: Vec<String> = properties.keys().cloned().collect();
                    Err(near(name, &names))
                }
            }
        }
        Known::Type(value_type) if !matches!(value_type, ValueType::Any | ValueType::Object) => {
            Err(format!("it is {}", value_type.words()))
        }
        _ => Ok(Known::Nothing),
    }
}

/// What is known of a plain path such as `result.score`, or of a channel.
fn of_expression(source: &str, result: &Known, parts: &Parts) -> Result<Known, String> {
    let mut path = source.trim().split('.');
    let first = path.next().unwrap_or_default();
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let rest: Vec<&str> = path.collect();
    if !plain(first) || !rest.iter().all(|part| plain(part)) {
        return Ok(Known::Nothing);
    }
    if first != "result" {
        let channel = parts.channel_names.get(first);
        let channel = channel.and_then(|id| parts.channels.get(id.0 as usize));
        return Ok(match channel {
            Some(channel) if rest.is_empty() => Known::Type(channel.value_type),
            _ => Known::Nothing,
        });
    }
    let mut known = result.clone();
    for part in rest {
        known = field(&known, part)?;
    }
    Ok(known)
}
