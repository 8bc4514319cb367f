//! The one compiler: a definition to a graph, or to everything that is wrong with it.

mod edges;
mod kinds;
mod nodes;
mod numbers;
mod texts;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use petgraph::stable_graph::StableDiGraph;

use super::check;
use super::definition::{ChannelDefinition, GraphDefinition, Reducer, ValueType};
use super::diagnostic::{Code, Diagnostic, Severity};
use super::ir::{Channel, ChannelId, Graph};
use super::library::{Found, Library};
use super::plan::Plan;
use super::source::Source;

/// Names that expressions know beside the channels.
pub(crate) const RESERVED: [&str; 8] = [
    "result", "details", "item", "index", "visits", "error", "failed", "run",
];

/// Graphs within each other.
const MOST_DEPTH: usize = 16;

/// Nodes of one graph. What comes before what is a bit for each pair of them.
const MOST_NODES: usize = 20_000;

/// Edges of one graph. A chain of lists is short to write and long to run.
const MOST_EDGES: usize = 60_000;

/// Mistakes kept while compiling.
const MOST_KEPT: usize = 10_000;

/// Mistakes reported of one graph.
const MOST_PROBLEMS: usize = 200;

/// Mistakes for which the most likely names are looked up.
const MOST_HINTS: usize = 40;

/// What compiling came to.
#[derive(Debug)]
pub struct Compiled {
    /// The graph, when there is no error.
    pub graph: Option<Arc<Graph>>,
    /// Everything worth saying, errors first, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// The graph, or what is wrong.
    ///
    /// # Errors
    /// The errors among the diagnostics.
    pub fn into_result(self) -> Result<Arc<Graph>, Vec<Diagnostic>> {
        let Self { graph, diagnostics } = self;
        graph.ok_or_else(|| {
            let errors = diagnostics.into_iter();
            errors
                .filter(|problem| problem.severity == Severity::Error)
                .collect()
        })
    }
}

/// Reads and compiles a graph file. `name` is for messages.
pub fn compile_text(name: &str, text: &str, library: &dyn Library) -> Compiled {
    match super::yaml::parse(name, text) {
        Ok((definition, source)) => compile(definition, Some(&source), library),
        Err(diagnostics) => Compiled {
            graph: None,
            diagnostics,
        },
    }
}

/// Compiles a definition and checks it.
pub fn compile(
    definition: GraphDefinition,
    source: Option<&Source>,
    library: &dyn Library,
) -> Compiled {
    compile_within(definition, source, library, &mut Vec::new())
}

fn compile_within(
    definition: GraphDefinition,
    source: Option<&Source>,
    library: &dyn Library,
    above: &mut Vec<String>,
) -> Compiled {
    let compiler = Compiler {
        definition: &definition,
        library,
        above,
        channels: Vec::new(),
        channel_names: HashMap::new(),
        prompts: Vec::new(),
        problems: Vec::new(),
        failed: false,
    };
    let (parts, mut diagnostics) = compiler.run();
    diagnostics.sort_by_key(|problem| problem.severity);
    let more = diagnostics.len().saturating_sub(MOST_PROBLEMS);
    diagnostics.truncate(MOST_PROBLEMS);
    if let Some(last) = diagnostics.last_mut().filter(|_| more > 0) {
        last.hint = format!("{more} more are not shown");
    }
    if let Some(source) = source {
        for problem in &mut diagnostics {
            problem.locate(source);
        }
    }
    let place = |problem: &Diagnostic| problem.span.map(|span| (span.line, span.column));
    diagnostics.sort_by_key(|problem| (problem.severity, place(problem)));
    // A graph that is used twice has its mistakes once.
    let mut seen = std::collections::HashSet::new();
    diagnostics.retain(|problem| seen.insert(problem.to_string()));
    let sound = !diagnostics
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    let graph = parts.filter(|_| sound).map(|parts| {
        Arc::new(Graph {
            flow: parts.flow,
            channels: parts.channels,
            channel_names: parts.channel_names,
            inputs: parts.inputs,
            outputs: parts.outputs,
            plan: parts.plan,
            prompts: parts.prompts,
            definition,
            edge_names: std::sync::OnceLock::new(),
        })
    });
    Compiled { graph, diagnostics }
}

/// A graph but for its definition.
pub(crate) struct Parts {
    pub(crate) flow: StableDiGraph<super::ir::Node, super::ir::Edge>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) channel_names: HashMap<String, ChannelId>,
    pub(crate) inputs: Vec<ChannelId>,
    pub(crate) outputs: Vec<ChannelId>,
    pub(crate) plan: Plan,
    pub(crate) prompts: Vec<(String, String)>,
}

pub(crate) struct Compiler<'a> {
    definition: &'a GraphDefinition,
    library: &'a dyn Library,
    /// Names of the graphs that contain this one.
    above: &'a mut Vec<String>,
    channels: Vec<Channel>,
    channel_names: HashMap<String, ChannelId>,
    prompts: Vec<(String, String)>,
    problems: Vec<Diagnostic>,
    /// Whether there is an error among them.
    failed: bool,
}

impl Compiler<'_> {
    fn run(mut self) -> (Option<Parts>, Vec<Diagnostic>) {
        let definition = self.definition;
        self.sizes();
        if !self.problems.is_empty() {
            return (None, self.problems);
        }
        self.names();
        self.budget(definition.budget, "budget");
        self.all_channels();
        let inputs = self.channel_list(&definition.input, "input");
        let outputs = self.channel_list(&definition.output, "output");
        let mut flow = StableDiGraph::new();
        let mut by_name = HashMap::new();
        let mut sound = true;
        for (name, node) in &definition.nodes {
            match self.node(name, node, &format!("nodes.{name}"), nodes::Place::Top) {
                Some(node) => {
                    by_name.insert(name.clone(), flow.add_node(node));
                }
                None => sound = false,
            }
        }
        // Without all of its nodes and edges, what is said of the flow would mislead.
        sound &= self.edges(&mut flow, &by_name, sound);
        if !sound {
            return (None, self.problems);
        }
        let plan = match Plan::new(definition, &flow, by_name) {
            Ok(plan) => plan,
            Err(problems) => {
                self.problems.extend(problems);
                return (None, self.problems);
            }
        };
        let parts = Parts {
            flow,
            channels: self.channels,
            channel_names: self.channel_names,
            inputs,
            outputs,
            plan,
            prompts: self.prompts,
        };
        check::all(definition, &parts, self.library, &mut self.problems);
        (Some(parts), self.problems)
    }

    fn say(&mut self, problem: Diagnostic) {
        let first_error = problem.severity == Severity::Error && !self.failed;
        if first_error || self.problems.len() < MOST_KEPT {
            self.failed |= problem.severity == Severity::Error;
            self.problems.push(problem);
        }
    }

    fn error(&mut self, code: Code, path: &str, message: impl Into<String>, hint: &str) {
        self.say(Diagnostic::error(code, path, message).hint(hint));
    }

    fn sizes(&mut self) {
        if self.definition.nodes.is_empty() {
            self.error(
                Code::Form,
                "nodes",
                "a graph without nodes does nothing",
                "add a node",
            );
        }
        let count = self.definition.nodes.len();
        if count > MOST_NODES {
            let message = format!("{count} nodes; {MOST_NODES} are allowed");
            self.error(
                Code::Bound,
                "nodes",
                message,
                "split the graph, or use a `map`",
            );
        }
        let count = self.definition.channels.len();
        if count > MOST_NODES {
            let message = format!("{count} channels; {MOST_NODES} are allowed");
            let hint = "keep what belongs together in one channel of type `object`";
            self.error(Code::Bound, "channels", message, hint);
        }
    }

    fn names(&mut self) {
        let definition = self.definition;
        if definition.name.trim().is_empty() {
            self.error(Code::Name, "name", "the name is empty", "name the graph");
        }
        for name in definition.channels.keys() {
            let path = format!("channels.{name}");
            if RESERVED.contains(&name.as_str()) {
                let message = format!("`{name}` means something else in expressions");
                self.error(Code::Name, &path, message, "rename the channel");
            } else if !is_identifier(name) {
                let message = format!("`{name}` cannot be named in an expression");
                let hint = "use letters, digits and `_`, and begin with a letter";
                self.error(Code::Name, &path, message, hint);
            }
        }
        for name in definition.nodes.keys() {
            let good = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
                let message = format!("`{name}` is no name for a node");
                let hint = "use letters, digits, `_` and `-`, at most 64";
                self.error(Code::Name, &format!("nodes.{name}"), message, hint);
            }
        }
    }

    fn all_channels(&mut self) {
        let definition = self.definition;
        for (name, channel) in &definition.channels {
            let channel = self.channel(name, channel);
            let id = ChannelId(u32::try_from(self.channels.len()).unwrap_or(u32::MAX));
            self.channel_names.insert(name.clone(), id);
            self.channels.push(channel);
        }
    }

    fn channel(&mut self, name: &str, channel: &ChannelDefinition) -> Channel {
        let path = format!("channels.{name}");
        let schema =
            channel
                .schema
                .as_ref()
                .and_then(|schema| match jsonschema::validator_for(schema) {
                    Ok(validator) => Some(Arc::new(validator)),
                    Err(error) => {
                        let message = format!("this is no JSON schema: {error}");
                        self.error(Code::Schema, &format!("{path}.schema"), message, "");
                        None
                    }
                });
        let value_type = match (&channel.reducer, channel.value_type) {
            (Reducer::Append | Reducer::Extend | Reducer::Union, ValueType::Any) => {
                ValueType::Array
            }
            (Reducer::Merge, ValueType::Any) => ValueType::Object,
            (Reducer::Sum | Reducer::Max | Reducer::Min, ValueType::Any) => ValueType::Number,
            (_, value_type) => value_type,
        };
        let fits = match &channel.reducer {
            Reducer::Append | Reducer::Extend | Reducer::Union => value_type == ValueType::Array,
            Reducer::Merge => value_type == ValueType::Object,
            Reducer::Sum | Reducer::Max | Reducer::Min => {
                matches!(value_type, ValueType::Number | ValueType::Integer)
            }
            Reducer::Last => true,
            Reducer::Function(function) => {
                if let Found::No(known) = self.library.reducer(function) {
                    let message = format!("there is no reducer function `{function}`");
                    let hint = near(function, &known);
                    self.error(
                        Code::UnknownFunction,
                        &format!("{path}.reducer.function"),
                        message,
                        &hint,
                    );
                }
                true
            }
        };
        if !fits {
            let message = "this reducer does not work on values of this type";
            let hint = "append, extend and union need an array, merge an object, sum, max and min a number";
            self.error(Code::Type, &format!("{path}.reducer"), message, hint);
        }
        if let Some(default) = &channel.default
            && let Some(problem) = problem_of(default, value_type, schema.as_deref())
        {
            let message = format!("the default does not fit: {problem}");
            self.error(Code::Type, &format!("{path}.default"), message, "");
        }
        Channel {
            name: name.to_owned(),
            value_type,
            reducer: channel.reducer.clone(),
            default: channel.default.clone().map(Arc::new),
            schema,
        }
    }

    /// Which name was meant. Of many mistakes the last ones go without: with thousands of names,
    /// comparing takes longer than everything else.
    fn meant<'b>(&self, name: &str, known: impl Iterator<Item = &'b String>) -> String {
        if self.problems.len() < MOST_HINTS {
            let known: Vec<String> = known.cloned().collect();
            near(name, &known)
        } else {
            String::new()
        }
    }

    /// The channel of a name, or a diagnostic.
    fn known_channel(&mut self, code: Code, name: &str, path: &str) -> Option<ChannelId> {
        let found = self.channel_names.get(name).copied();
        if found.is_none() {
            let message = format!("there is no channel `{name}`");
            let meant = self.meant(name, self.definition.channels.keys());
            let hint = format!("{meant}; or declare it under `channels`");
            self.error(code, path, message, &hint);
        }
        found
    }

    fn channel_list(&mut self, names: &[String], path: &str) -> Vec<ChannelId> {
        let mut list = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            list.extend(self.known_channel(
                Code::UnknownChannel,
                name,
                &format!("{path}[{index}]"),
            ));
        }
        list
    }

    /// Channel to expression, both resolved.
    fn channel_expressions(
        &mut self,
        values: &IndexMap<String, String>,
        path: &str,
        extra: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Vec<(ChannelId, super::expression::Expression)> {
        let mut resolved = Vec::with_capacity(values.len());
        for (name, expression) in values {
            let path = format!("{path}.{name}");
            let channel = self.known_channel(Code::UndeclaredWrite, name, &path);
            let expression = self.expression(expression, &path, extra, reads);
            if let (Some(channel), Some(expression)) = (channel, expression) {
                resolved.push((channel, expression));
            }
        }
        resolved
    }
}

/// A word that an expression can name.
fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let words = [
        "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "loop", "self",
    ];
    first
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !words.contains(&name.to_ascii_lowercase().as_str())
}

/// The names most like one that is not there.
pub(crate) fn near(name: &str, known: &[String]) -> String {
    if known.is_empty() {
        return "there are none".to_owned();
    }
    // Comparing takes the product of the lengths.
    let start = |text: &str| text.chars().take(64).collect::<String>();
    let name = start(name);
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&name, &start(known)), known.as_str()))
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let names: Vec<&str> = near.iter().take(5).map(|(_, name)| *name).collect();
    let more = near.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("there are: {}{more}", names.join(", "))
}

/// What keeps a value from being of a type and satisfying a schema.
pub(crate) fn problem_of(
    value: &serde_json::Value,
    value_type: ValueType,
    schema: Option<&jsonschema::Validator>,
) -> Option<String> {
    if !value_type.holds(value) {
        return Some(format!("{} is not {}", kind_of(value), value_type.words()));
    }
    let error = schema?.iter_errors(value).next()?;
    let place = error.instance_path().to_string();
    let place = if place.is_empty() {
        String::new()
    } else {
        format!(" at {place}")
    };
    Some(format!("{error}{place}"))
}

fn kind_of(value: &serde_json::Value) -> &'static str {
    use serde_json::Value;
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl ValueType {
    /// Whether a value is of this type. Null fits every type: nothing is there yet.
    pub fn holds(self, value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (self, value) {
            (ValueType::Any, _) | (_, Value::Null) => true,
            (ValueType::String, value) => value.is_string(),
            (ValueType::Number, value) => value.is_number(),
            (ValueType::Integer, Value::Number(number)) => {
                number.is_i64()
                    || number.is_u64()
                    || number.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            (ValueType::Integer, _) => false,
            (ValueType::Boolean, value) => value.is_boolean(),
            (ValueType::Object, value) => value.is_object(),
            (ValueType::Array, value) => value.is_array(),
        }
    }

    /// As a person says it.
    pub fn words(self) -> &'static str {
        match self {
            ValueType::Any => "anything",
            ValueType::String => "text",
            ValueType::Number => "a number",
            ValueType::Integer => "a whole number",
            ValueType::Boolean => "a boolean",
            ValueType::Object => "an object",
            ValueType::Array => "a list",
        }
    }
}
