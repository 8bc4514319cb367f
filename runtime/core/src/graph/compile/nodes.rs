//! One node of a definition to one node of the graph.

use super::{Compiler, near};
use crate::graph::definition::{NodeDefinition, Writes};
use crate::graph::diagnostic::Code;
use crate::graph::ir::{ChannelId, ErrorPlan, Node, Work, WritePlan};
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
    pub(super) fn names(self) -> &'static [&'static str] {
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
