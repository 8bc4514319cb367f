//! One node of a definition to one node of the graph.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::{Compiler, MOST_DEPTH, near};
use crate::graph::definition::{
    AgentNode, GraphNode, HumanNode, Join, MapNode, ModelNode, NodeDefinition, Prompt, Writes,
};
use crate::graph::diagnostic::Code;
use crate::graph::expression::{Expression, Template};
use crate::graph::ir::{Argument, ChannelId, ErrorPlan, Node, Work, WritePlan};
use crate::graph::library::Found;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the graph itself.
    Top,
    /// In a `map`: it sees `item` and `index`, and writes nothing itself.
    Map,
}

impl Place {
    fn names(self) -> &'static [&'static str] {
        match self {
            Place::Top => &[],
            Place::Map => &["item", "index"],
        }
    }
}

impl Compiler<'_> {
    pub(super) fn node(
        &mut self,
        name: &str,
        node: &NodeDefinition,
        path: &str,
        place: Place,
    ) -> Option<Node> {
        let mut reads = Vec::new();
        let work = self.work(name, node, path, place, &mut reads);
        self.numbers(node, path);
        let writes = self.writes(node, path, place, &mut reads);
        let on_error = self.on_error(node, path, place, &mut reads);
        if let Some(declared) = &node.reads {
            let opaque = node.function.is_some();
            self.declared_reads(declared, &mut reads, path, opaque);
        }
        reads.sort_unstable();
        reads.dedup();
        Some(Node {
            name: name.to_owned(),
            work: work?,
            reads,
            writes: writes?,
            join: node.join,
            retry: node.retry.clone(),
            timeout: node.timeout,
            cache: node.cache,
            on_error: on_error?,
            budget: node.budget,
        })
    }

    fn work(
        &mut self,
        name: &str,
        node: &NodeDefinition,
        path: &str,
        place: Place,
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let kinds = [
            ("agent", node.agent.is_some()),
            ("model", node.model.is_some()),
            ("tool", node.tool.is_some()),
            ("map", node.map.is_some()),
            ("graph", node.graph.is_some()),
            ("human", node.human.is_some()),
            ("function", node.function.is_some()),
            ("set", node.set.is_some()),
        ];
        let given: Vec<&str> = kinds
            .iter()
            .filter(|(_, given)| *given)
            .map(|(kind, _)| *kind)
            .collect();
        if given.len() != 1 {
            let message = if given.is_empty() {
                format!("`{name}` does not say what it does")
            } else {
                format!("`{name}` is of several kinds: {}", given.join(", "))
            };
            let hint = "give one of agent, model, tool, map, graph, human, function, set";
            self.error(Code::Kind, path, message, hint);
            return None;
        }
        let names = place.names();
        if let Some(agent) = &node.agent {
            return self.agent(agent, &format!("{path}.agent"), names, reads);
        }
        if let Some(model) = &node.model {
            return self.model(model, &format!("{path}.model"), names, reads);
        }
        if let Some(tool) = &node.tool {
            let path = format!("{path}.tool");
            if let Found::No(known) = self.library.tool(&tool.name) {
                let message = format!("there is no tool `{}`", tool.name);
                let hint = near(&tool.name, &known);
                self.error(Code::UnknownTool, &format!("{path}.name"), message, &hint);
            }
            let arguments = self.arguments(&tool.arguments, &path, names, reads)?;
            return Some(Work::Tool {
                name: tool.name.clone(),
                arguments,
            });
        }
        if let Some(map) = &node.map {
            return self.map(name, map, &format!("{path}.map"), place, reads);
        }
        if let Some(graph) = &node.graph {
            return self.subgraph(graph, &format!("{path}.graph"), names, reads);
        }
        if let Some(human) = &node.human {
            return self.human(human, &format!("{path}.human"), names, reads);
        }
        if let Some(function) = &node.function {
            let path = format!("{path}.function");
            if let Found::No(known) = self.library.function(&function.name) {
                let message = format!("there is no function `{}`", function.name);
                let hint = near(&function.name, &known);
                self.error(
                    Code::UnknownFunction,
                    &format!("{path}.name"),
                    message,
                    &hint,
                );
            }
            let arguments = match &function.arguments {
                None => None,
                Some(arguments) => Some(self.arguments(arguments, &path, names, reads)?),
            };
            return Some(Work::Function {
                name: function.name.clone(),
                arguments,
            });
        }
        let values = node.set.as_ref()?;
        let path = format!("{path}.set");
        if place == Place::Map {
            let hint = "write from the map itself, with an expression over `result`";
            self.error(Code::Kind, &path, "`set` inside a map writes nothing", hint);
            return None;
        }
        Some(Work::Set {
            values: self.channel_expressions(values, &path, names, reads),
        })
    }

    fn agent(
        &mut self,
        agent: &AgentNode,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let found = self.library.agent(&agent.name);
        let prompt = self.prompt(&agent.prompt, &format!("{path}.prompt"), names, reads);
        let path = format!("{path}.name");
        let definition = match found {
            Found::Yes(definition) => definition,
            Found::No(known) => {
                let message = format!("there is no agent `{}`", agent.name);
                self.error(
                    Code::UnknownAgent,
                    &path,
                    message,
                    &near(&agent.name, &known),
                );
                return None;
            }
            Found::Broken(reason) => {
                self.error(Code::UnknownAgent, &path, reason, "mend that file");
                return None;
            }
            Found::Unchecked => return None,
        };
        Some(Work::Agent {
            agent: definition,
            prompt: prompt?,
            engine: agent.engine.clone(),
        })
    }

    fn model(
        &mut self,
        model: &ModelNode,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let prompt = self.prompt(&model.prompt, &format!("{path}.prompt"), names, reads);
        let system = match &model.system {
            None => None,
            Some(system) => Some(self.prompt(system, &format!("{path}.system"), names, reads)?),
        };
        self.schema(model.schema.as_ref(), path);
        Some(Work::Model {
            prompt: prompt?,
            system,
            schema: model.schema.clone(),
            engine: model.engine.clone(),
            sampling: model.sampling.clone().unwrap_or_default(),
        })
    }

    fn map(
        &mut self,
        name: &str,
        map: &MapNode,
        path: &str,
        place: Place,
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let over = self.expression(&map.over, &format!("{path}.over"), place.names(), reads);
        let inner = format!("{path}.each");
        let each = &map.each;
        if !each.writes.is_nothing() {
            let hint = "move it to the map: its `writes` see the list of results as `result`";
            let path = format!("{inner}.writes");
            self.error(
                Code::NoEffect,
                &path,
                "an item of a map writes nothing itself",
                hint,
            );
        }
        if !each.on_error.is_default() || each.join != Join::All {
            let what = if each.join == Join::All {
                "on_error"
            } else {
                "join"
            };
            let path = format!("{inner}.{what}");
            let message = format!("`{what}` of an item of a map has no effect");
            let hint = "say it of the map; `min_success` says how many items may fail";
            self.error(Code::NoEffect, &path, &message, hint);
        }
        let each = self.node(name, each, &inner, Place::Map)?;
        reads.extend(&each.reads);
        if map.concurrency == 0 {
            let path = format!("{path}.concurrency");
            self.error(
                Code::Bound,
                &path,
                "no item could ever start",
                "give at least 1",
            );
        }
        if !(0.0..=1.0).contains(&map.min_success) {
            let path = format!("{path}.min_success");
            let message = format!("{} is no share", map.min_success);
            self.error(
                Code::Bound,
                &path,
                message,
                "give a number from 0 to 1, such as 0.8",
            );
        }
        self.positive(map.deadline, &format!("{path}.deadline"));
        if let Some(hedge) = map.hedge {
            self.seconds(hedge.after, &format!("{path}.hedge.after"));
            if hedge.factor.is_nan() || hedge.factor <= 1.0 {
                let path = format!("{path}.hedge.factor");
                let hint = "give more than 1, such as 2";
                self.error(
                    Code::Bound,
                    &path,
                    "every item would get a second copy",
                    hint,
                );
            }
            if matches!(
                each.work,
                Work::Human { .. } | Work::Agent { .. } | Work::Graph { .. }
            ) {
                let path = format!("{path}.hedge");
                let message = "a second copy of this work could have effects twice";
                let hint = "hedge only `model`, read-only `tool` and pure `function` items";
                self.error(Code::NoEffect, &path, message, hint);
            }
        }
        Some(Work::Map {
            over: over?,
            each: Box::new(each),
            concurrency: map.concurrency,
            min_success: map.min_success,
            deadline: map.deadline,
            hedge: map.hedge,
        })
    }

    fn subgraph(
        &mut self,
        node: &GraphNode,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let own = self.definition.name.clone();
        let named = format!("{path}.name");
        if node.name == own || self.above.contains(&node.name) {
            let message = format!("`{}` would contain itself", node.name);
            let hint = "a graph may loop, but not contain itself";
            self.error(Code::Recursion, &named, message, hint);
            return None;
        }
        if self.above.len() >= MOST_DEPTH {
            let message = format!("more than {MOST_DEPTH} graphs within each other");
            self.error(Code::Recursion, &named, message, "make one of them flatter");
            return None;
        }
        let (definition, source) = match self.library.graph(&node.name) {
            Found::Yes(Ok(found)) => found,
            Found::Yes(Err(problems)) => {
                self.problems.extend(problems);
                let message = format!("the graph `{}` has errors", node.name);
                self.error(Code::UnknownGraph, &named, message, "mend that file");
                return None;
            }
            Found::Broken(reason) => {
                self.error(Code::UnknownGraph, &named, reason, "mend that file");
                return None;
            }
            Found::No(known) => {
                let message = format!("there is no graph `{}`", node.name);
                self.error(
                    Code::UnknownGraph,
                    &named,
                    message,
                    &near(&node.name, &known),
                );
                return None;
            }
            Found::Unchecked => return None,
        };
        self.above.push(own);
        let compiled = super::compile_within(definition, Some(&source), self.library, self.above);
        self.above.pop();
        let Some(graph) = compiled.graph else {
            self.problems.extend(compiled.diagnostics);
            let message = format!("the graph `{}` has errors", node.name);
            self.error(Code::UnknownGraph, &named, message, "mend that file");
            return None;
        };
        let inputs = self.subgraph_inputs(node, &graph, path, names, reads);
        self.prompts.extend(graph.prompts.iter().cloned());
        Some(Work::Graph { graph, inputs })
    }

    fn subgraph_inputs(
        &mut self,
        node: &GraphNode,
        graph: &Arc<crate::graph::ir::Graph>,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Vec<(ChannelId, Expression)> {
        let same = |inputs: &[ChannelId]| -> IndexMap<String, String> {
            inputs
                .iter()
                .map(|id| graph.channel_name(*id).to_owned())
                .map(|name| (name.clone(), name))
                .collect()
        };
        let given = node.inputs.clone().unwrap_or_else(|| same(graph.inputs()));
        let mut inputs = Vec::new();
        for (name, expression) in &given {
            let path = format!("{path}.inputs.{name}");
            let channel = graph
                .channel_named(name)
                .filter(|id| graph.inputs().contains(id));
            if channel.is_none() {
                let known: Vec<String> = same(graph.inputs()).into_keys().collect();
                let message = format!("`{name}` is no input of the graph `{}`", node.name);
                self.error(Code::UnknownChannel, &path, message, &near(name, &known));
            }
            let expression = self.expression(expression, &path, names, reads);
            if let (Some(channel), Some(expression)) = (channel, expression) {
                inputs.push((channel, expression));
            }
        }
        for id in graph.inputs() {
            let missing = graph
                .channels()
                .get(id.0 as usize)
                .filter(|channel| channel.default.is_none() && !given.contains_key(&channel.name));
            if let Some(channel) = missing {
                let message = format!(
                    "the graph `{}` needs the input `{}`",
                    node.name, channel.name
                );
                let hint = format!("add `{}` under `inputs`", channel.name);
                self.error(Code::Arguments, path, message, &hint);
            }
        }
        inputs
    }

    fn human(
        &mut self,
        human: &HumanNode,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let ask = self.prompt(&human.ask, &format!("{path}.ask"), names, reads);
        let propose = match &human.propose {
            None => None,
            Some(propose) => {
                Some(self.expression(propose, &format!("{path}.propose"), names, reads)?)
            }
        };
        self.schema(human.schema.as_ref(), path);
        Some(Work::Human {
            ask: ask?,
            propose,
            schema: human.schema.clone(),
            who: human.who.clone(),
        })
    }

    fn schema(&mut self, schema: Option<&Value>, path: &str) {
        if let Some(schema) = schema
            && let Err(error) = jsonschema::validator_for(schema)
        {
            let message = format!("this is no JSON schema: {error}");
            self.error(Code::Schema, &format!("{path}.schema"), message, "");
        }
    }

    fn prompt(
        &mut self,
        prompt: &Prompt,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Template> {
        let named = format!("{path}.file");
        let text = match (&prompt.text, &prompt.file) {
            (Some(text), None) => text.clone(),
            (None, Some(file)) => match self.library.prompt(file) {
                Found::Yes(text) => {
                    self.prompts.push((file.clone(), text.clone()));
                    text
                }
                Found::No(known) => {
                    let message = format!("there is no prompt `{file}`");
                    self.error(Code::UnknownPrompt, &named, message, &near(file, &known));
                    return None;
                }
                Found::Broken(reason) => {
                    self.error(Code::UnknownPrompt, &named, reason, "mend that file");
                    return None;
                }
                Found::Unchecked => return None,
            },
            _ => {
                let hint = "write the text itself, or `file: NAME` for prompts/NAME.md";
                self.error(Code::Form, path, "a prompt is a text or a file", hint);
                return None;
            }
        };
        self.template(&text, path, names, reads)
    }

    fn template(
        &mut self,
        text: &str,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => {
                self.named(template.names(), path, names, reads);
                Some(template)
            }
            Err(error) => {
                self.error(Code::Expression, path, error.to_string(), "");
                None
            }
        }
    }

    pub(super) fn expression(
        &mut self,
        text: &str,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Expression> {
        match Expression::parse(text) {
            Ok(expression) => {
                self.named(expression.names(), path, names, reads);
                Some(expression)
            }
            Err(error) => {
                let hint = "text in an expression stands in quotes: 'like this'";
                self.error(Code::Expression, path, error.to_string(), hint);
                None
            }
        }
    }

    /// What an expression names is a channel, or one of the names it has beside them.
    fn named(&mut self, found: &[String], path: &str, names: &[&str], reads: &mut Vec<ChannelId>) {
        for name in found {
            if names.contains(&name.as_str()) {
                continue;
            }
            match self.channel_names.get(name) {
                Some(channel) => reads.push(*channel),
                None => {
                    let beside: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                    let channels = self.definition.channels.keys();
                    let hint = self.meant(name, channels.chain(&beside));
                    let message = if super::RESERVED.contains(&name.as_str()) {
                        format!("`{name}` means nothing here")
                    } else {
                        format!("`{name}` is no channel")
                    };
                    self.error(Code::UnknownName, path, message, &hint);
                }
            }
        }
    }

    fn arguments(
        &mut self,
        arguments: &IndexMap<String, Value>,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Argument> {
        let mut fields = Vec::with_capacity(arguments.len());
        for (name, value) in arguments {
            let path = format!("{path}.arguments.{name}");
            fields.push((name.clone(), self.argument(value, &path, names, reads)?));
        }
        Some(Argument::Object(fields))
    }

    fn argument(
        &mut self,
        value: &Value,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Argument> {
        Some(match value {
            Value::String(text) if text.contains('{') => {
                Argument::Made(self.template(text, path, names, reads)?)
            }
            Value::Array(items) => {
                let mut made = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    made.push(self.argument(item, &format!("{path}[{index}]"), names, reads)?);
                }
                Argument::List(made)
            }
            Value::Object(fields) => {
                let mut made = Vec::with_capacity(fields.len());
                for (name, field) in fields {
                    let path = format!("{path}.{name}");
                    made.push((name.clone(), self.argument(field, &path, names, reads)?));
                }
                Argument::Object(made)
            }
            fixed => Argument::Fixed(fixed.clone()),
        })
    }

    fn writes(
        &mut self,
        node: &NodeDefinition,
        path: &str,
        place: Place,
        reads: &mut Vec<ChannelId>,
    ) -> Option<WritePlan> {
        let path = format!("{path}.writes");
        if node.set.is_some() && !node.writes.is_nothing() {
            let hint = "a `set` node writes what it sets; remove `writes`";
            self.error(
                Code::NoEffect,
                &path,
                "this node has no result to write",
                hint,
            );
        }
        Some(match &node.writes {
            Writes::Nothing => WritePlan::Nothing,
            Writes::Whole(name) => {
                WritePlan::Whole(self.known_channel(Code::UndeclaredWrite, name, &path)?)
            }
            Writes::Fields(names) => {
                let mut channels = Vec::with_capacity(names.len());
                for (index, name) in names.iter().enumerate() {
                    channels.push(self.known_channel(
                        Code::UndeclaredWrite,
                        name,
                        &format!("{path}[{index}]"),
                    )?);
                }
                WritePlan::Fields(channels)
            }
            Writes::Expressions(values) => {
                let mut names = vec!["result", "details"];
                if node.map.is_some() {
                    names.push("failed");
                }
                names.extend(place.names());
                WritePlan::Expressions(self.channel_expressions(values, &path, &names, reads))
            }
        })
    }

    fn on_error(
        &mut self,
        node: &NodeDefinition,
        path: &str,
        place: Place,
        reads: &mut Vec<ChannelId>,
    ) -> Option<ErrorPlan> {
        let mut names = vec!["error"];
        names.extend(place.names());
        let path = format!("{path}.on_error.writes");
        Some(ErrorPlan {
            action: node.on_error.action,
            writes: self.channel_expressions(&node.on_error.writes, &path, &names, reads),
        })
    }

    /// What is declared must cover what is named; a function's reads are only what is declared.
    fn declared_reads(
        &mut self,
        declared: &[String],
        reads: &mut Vec<ChannelId>,
        path: &str,
        opaque: bool,
    ) {
        let listed = self.channel_list(declared, &format!("{path}.reads"));
        for id in reads.iter() {
            if !listed.contains(id) {
                let name = self
                    .channels
                    .get(id.0 as usize)
                    .map(|channel| channel.name.clone());
                let name = name.unwrap_or_default();
                let message = format!("this node uses `{name}` and does not declare it");
                let hint = format!("add `{name}` to `reads`, or leave `reads` out");
                self.error(
                    Code::UndeclaredRead,
                    &format!("{path}.reads"),
                    message,
                    &hint,
                );
            }
        }
        if opaque {
            reads.extend(listed);
        } else {
            for (index, id) in listed.iter().enumerate() {
                if !reads.contains(id) {
                    let path = format!("{path}.reads[{index}]");
                    let problem = crate::graph::diagnostic::Diagnostic::warning(
                        Code::NoEffect,
                        path,
                        "this node does not use that channel",
                    );
                    self.say(problem.hint("remove it: what waits for it waits for nothing"));
                }
            }
        }
    }
}
