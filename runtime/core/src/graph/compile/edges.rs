//! Edges of a definition to edges of the graph.

use std::collections::{HashMap, HashSet};

use petgraph::stable_graph::StableDiGraph;

use super::{Compiler, MOST_EDGES};
use crate::graph::definition::{EdgeDefinition, EdgeEvent, Otherwise};
use crate::graph::diagnostic::Code;
use crate::graph::expression::Expression;
use crate::graph::ir::{ChannelId, Condition, Edge, EdgeId, Node, NodeId};

type Flow = StableDiGraph<Node, Edge>;

/// What all edges of one entry have in common.
struct Entry<'a> {
    path: &'a str,
    max_visits: Option<u32>,
}

impl Compiler<'_> {
    /// Adds all edges. `sound`: whether every node is there.
    pub(super) fn edges(
        &mut self,
        flow: &mut Flow,
        by_name: &HashMap<String, NodeId>,
        sound: bool,
    ) -> bool {
        let before = self.problems.len();
        let definition = self.definition;
        if !self.few_edges() {
            return false;
        }
        let mut seen = HashSet::new();
        for (index, edge) in definition.edges.iter().enumerate() {
            let path = format!("edges[{index}]");
            self.names_exist(edge, &path);
            if sound && self.problems.len() == before {
                self.edge(edge, &path, flow, by_name, &mut seen);
            }
        }
        for (group, names) in [("start", &definition.start), ("end", &definition.end)] {
            for (index, name) in names.iter().enumerate() {
                self.node_exists(name, &format!("{group}[{index}]"));
            }
        }
        self.problems.len() == before
    }

    /// Every edge of a list to a list counts.
    fn few_edges(&mut self) -> bool {
        let mut count: usize = 0;
        for (index, edge) in self.definition.edges.iter().enumerate() {
            let of_chain = edge.chain.windows(2).map(|pair| {
                let size = |at: usize| pair.get(at).map_or(0, Vec::len);
                size(0).saturating_mul(size(1))
            });
            let to = edge.to.0.len() + edge.cases.len() + 1;
            let own = edge.from.0.len().saturating_mul(to);
            count = of_chain.fold(count.saturating_add(own), usize::saturating_add);
            if count > MOST_EDGES {
                let message = format!("more than {MOST_EDGES} edges");
                let hint = "split the graph, or lead lists through one node between them";
                self.error(Code::Bound, &format!("edges[{index}]"), message, hint);
                return false;
            }
        }
        true
    }

    fn names_exist(&mut self, edge: &EdgeDefinition, path: &str) {
        for name in edge.chain.iter().flatten() {
            self.node_exists(name, path);
        }
        for (index, name) in edge.from.0.iter().enumerate() {
            let path = if edge.from.0.len() > 1 {
                format!("{path}.from[{index}]")
            } else {
                format!("{path}.from")
            };
            self.node_exists(name, &path);
        }
        for (index, name) in edge.to.0.iter().enumerate() {
            let path = if edge.to.0.len() > 1 {
                format!("{path}.to[{index}]")
            } else {
                format!("{path}.to")
            };
            self.node_exists(name, &path);
        }
        for (case, name) in &edge.cases {
            self.node_exists(name, &format!("{path}.cases.{case}"));
        }
        if let Some(Otherwise::Node(name)) = &edge.otherwise {
            self.node_exists(name, &format!("{path}.else"));
        }
    }

    fn node_exists(&mut self, name: &str, path: &str) {
        if !self.definition.nodes.contains_key(name) {
            let message = format!("there is no node `{name}`");
            let hint = self.meant(name, self.definition.nodes.keys());
            self.error(Code::UnknownNode, path, message, &hint);
        }
    }

    fn edge(
        &mut self,
        edge: &EdgeDefinition,
        path: &str,
        flow: &mut Flow,
        by_name: &HashMap<String, NodeId>,
        seen: &mut HashSet<(NodeId, NodeId, String)>,
    ) {
        let entry = Entry {
            path,
            max_visits: edge.max_visits,
        };
        let ids = |names: &[String]| -> Vec<NodeId> {
            let found = names.iter().filter_map(|name| by_name.get(name));
            found.copied().collect()
        };
        if !edge.chain.is_empty() {
            for pair in edge.chain.windows(2) {
                let [from, to] = pair else { continue };
                for from in ids(from) {
                    for to in ids(to) {
                        self.add(&entry, from, to, Condition::Always, flow, seen);
                    }
                }
            }
            return;
        }
        if edge.max_visits == Some(0) {
            let path = format!("{path}.max_visits");
            self.error(
                Code::Bound,
                &path,
                "its target could never be visited",
                "give at least 1",
            );
        }
        if edge.from.0.is_empty() {
            self.error(
                Code::Form,
                path,
                "this edge comes from nowhere",
                "give `from`",
            );
        }
        for from in ids(&edge.from.0) {
            if edge.switch.is_some() {
                self.switch(edge, &entry, from, flow, by_name, seen);
                continue;
            }
            if edge.to.0.is_empty() {
                let hint = "give `to`, or `switch` with `cases`";
                self.error(Code::Form, path, "this edge leads nowhere", hint);
            }
            let Some(condition) = self.condition(edge, path, from, flow) else {
                continue;
            };
            for to in ids(&edge.to.0) {
                self.add(&entry, from, to, condition.clone(), flow, seen);
            }
        }
    }

    fn condition(
        &mut self,
        edge: &EdgeDefinition,
        path: &str,
        from: NodeId,
        flow: &mut Flow,
    ) -> Option<Condition> {
        let otherwise = match &edge.otherwise {
            None | Some(Otherwise::Flag(false)) => false,
            Some(Otherwise::Flag(true)) => true,
            Some(Otherwise::Node(_)) => {
                let hint = "without `switch` write `else: true`, with `to`";
                let path = format!("{path}.else");
                self.error(
                    Code::Form,
                    &path,
                    "`else` names a node only with `switch`",
                    hint,
                );
                return None;
            }
        };
        let on_error = edge.on == Some(EdgeEvent::Error);
        if usize::from(edge.when.is_some()) + usize::from(otherwise) + usize::from(on_error) > 1 {
            let hint = "give one of `when`, `else: true` and `on: error`";
            self.error(Code::Choice, path, "this edge has several conditions", hint);
            return None;
        }
        if !edge.cases.is_empty() {
            let path = format!("{path}.cases");
            self.error(
                Code::Form,
                &path,
                "`cases` without `switch`",
                "add `switch: expression`",
            );
            return None;
        }
        if on_error {
            return Some(Condition::OnError);
        }
        if otherwise {
            return Some(Condition::Otherwise);
        }
        let Some(when) = &edge.when else {
            return Some(Condition::Always);
        };
        let expression = self.deciding(when, &format!("{path}.when"), from, flow)?;
        Some(Condition::When(expression))
    }

    /// An expression over the channels as the node leaves them: the node reads what it names.
    fn deciding(
        &mut self,
        text: &str,
        path: &str,
        from: NodeId,
        flow: &mut Flow,
    ) -> Option<Expression> {
        let mut reads: Vec<ChannelId> = Vec::new();
        let expression = self.expression(text, path, &["visits"], &mut reads)?;
        if let Some(node) = flow.node_weight_mut(from) {
            node.reads.extend(reads);
            node.reads.sort_unstable();
            node.reads.dedup();
        }
        Some(expression)
    }

    fn switch(
        &mut self,
        edge: &EdgeDefinition,
        entry: &Entry<'_>,
        from: NodeId,
        flow: &mut Flow,
        by_name: &HashMap<String, NodeId>,
        seen: &mut HashSet<(NodeId, NodeId, String)>,
    ) {
        let path = entry.path;
        if edge.when.is_some() || edge.on.is_some() || !edge.to.0.is_empty() {
            let hint = "a `switch` has only `from`, `cases` and `else`";
            self.error(Code::Choice, path, "this edge has several conditions", hint);
            return;
        }
        if edge.cases.is_empty() {
            let path = format!("{path}.switch");
            self.error(
                Code::Form,
                &path,
                "a `switch` without `cases`",
                "add `cases`",
            );
            return;
        }
        let text = edge.switch.as_deref().unwrap_or_default();
        let Some(value) = self.deciding(text, &format!("{path}.switch"), from, flow) else {
            return;
        };
        for (case, to) in &edge.cases {
            if let Some(to) = by_name.get(to) {
                let condition = Condition::Case(value.clone(), case.clone());
                self.add(entry, from, *to, condition, flow, seen);
            }
        }
        match &edge.otherwise {
            Some(Otherwise::Node(to)) => {
                if let Some(to) = by_name.get(to) {
                    let cases = edge.cases.keys().cloned().collect();
                    let condition = Condition::NoCase(value, cases);
                    self.add(entry, from, *to, condition, flow, seen);
                }
            }
            Some(Otherwise::Flag(_)) => {
                let hint = "name the node for any other value: `else: NODE`";
                self.error(
                    Code::Form,
                    &format!("{path}.else"),
                    "`else` of a `switch`",
                    hint,
                );
            }
            None => {}
        }
    }

    fn add(
        &mut self,
        entry: &Entry<'_>,
        from: NodeId,
        to: NodeId,
        condition: Condition,
        flow: &mut Flow,
        seen: &mut HashSet<(NodeId, NodeId, String)>,
    ) {
        let kind = match &condition {
            Condition::Always => "always".to_owned(),
            Condition::Otherwise => "else".to_owned(),
            Condition::OnError => "error".to_owned(),
            Condition::When(when) => format!("when {}", when.source()),
            Condition::Case(value, case) => format!("case {} {case}", value.source()),
            Condition::NoCase(value, _) => format!("no case {}", value.source()),
        };
        if !seen.insert((from, to, kind)) {
            let name = |id| {
                flow.node_weight(id)
                    .map(|node| node.name.clone())
                    .unwrap_or_default()
            };
            let message = format!("the edge {} -> {} is given twice", name(from), name(to));
            self.error(Code::Duplicate, entry.path, message, "remove one of them");
            return;
        }
        let id = EdgeId(u32::try_from(flow.edge_count()).unwrap_or(u32::MAX));
        flow.add_edge(
            from,
            to,
            Edge {
                id,
                condition,
                max_visits: entry.max_visits,
                path: entry.path.to_owned(),
            },
        );
    }
}
