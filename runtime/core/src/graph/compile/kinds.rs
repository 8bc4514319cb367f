//! What a node does, kind by kind.

use std::sync::Arc;

use indexmap::IndexMap;

use super::nodes::Place;
use super::{Compiler, MOST_DEPTH, near};
use crate::graph::definition::{AgentNode, GraphNode, HumanNode, Join, MapNode, ModelNode};
use crate::graph::diagnostic::Code;
use crate::graph::expression::Expression;
use crate::graph::ir::{ChannelId, Work};
use crate::graph::library::Found;

impl Compiler<'_> {
    pub(super) fn agent(
        &mut self,
        agent: &AgentNode,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Work> {
        let found = self.library.agent(&agent.name);
        self.engine(agent.engine.as_deref(), &format!("{path}.engine"));
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
        let own = definition.settings.engine.clone();
        let engine = agent.engine.clone().or_else(|| {
            self.engine(own.as_deref(), &path);
            own
        });
        Some(Work::Agent {
            agent: definition,
            prompt: prompt?,
            engine,
        })
    }

    pub(super) fn model(
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
        self.engine(model.engine.as_deref(), &format!("{path}.engine"));
        Some(Work::Model {
            prompt: prompt?,
            system,
            schema: model.schema.clone(),
            engine: model.engine.clone(),
            sampling: model.sampling.clone().unwrap_or_default(),
        })
    }

    fn engine(&mut self, engine: Option<&str>, path: &str) {
        if let Some(engine) = engine
            && let Found::No(known) = self.library.engine(engine)
        {
            let message = format!("there is no engine `{engine}`");
            self.error(Code::UnknownEngine, path, message, &near(engine, &known));
        }
    }

    pub(super) fn map(
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

    pub(super) fn subgraph(
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

    pub(super) fn subgraph_inputs(
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

    pub(super) fn human(
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
}
