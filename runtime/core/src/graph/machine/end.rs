//! How a node ends, and which edges are taken then.

use std::sync::Arc;

use serde_json::Value;

use super::{Activation, GraphMachine, NodeEnd, NodeError, Write};
use crate::graph::definition::{ErrorAction, ErrorKind};
use crate::graph::expression::{ExpressionError, Within};
use crate::graph::ir::{Condition, EdgeId, Graph, Node, NodeId};

impl GraphMachine {
    pub(super) fn end(
        &mut self,
        activation: &Activation,
        writes: Vec<Write>,
        error: Option<NodeError>,
    ) -> NodeEnd {
        let node = activation.node;
        self.write(node, &writes);
        let decided = self.decide(node, error.as_ref());
        let (taken, fatal) = match decided {
            Ok(Decision {
                taken,
                fatal: false,
            }) => (taken, None),
            Ok(Decision { fatal: true, .. }) => (Vec::new(), error.clone()),
            Err(second) => (Vec::new(), Some(second)),
        };
        if let Some(fatal) = fatal {
            return self.fatal(activation, writes, fatal);
        }
        self.scheduler.finish(node, &taken);
        NodeEnd {
            node,
            visit: activation.visit,
            writes,
            taken,
            error,
            fatal: false,
        }
    }

    pub(super) fn fatal(
        &mut self,
        activation: &Activation,
        writes: Vec<Write>,
        error: NodeError,
    ) -> NodeEnd {
        self.failure = Some((activation.node, error.clone()));
        self.scheduler.finish(activation.node, &[]);
        NodeEnd {
            node: activation.node,
            visit: activation.visit,
            writes,
            taken: Vec::new(),
            error: Some(error),
            fatal: true,
        }
    }

    /// Which edges are taken, by the values as the node leaves them.
    fn decide(&mut self, node: NodeId, error: Option<&NodeError>) -> Result<Decision, NodeError> {
        let graph = Arc::clone(&self.graph);
        let (Some(weight), out) = (graph.node(node), graph.plan().out_of(node)) else {
            return Ok(Decision::default());
        };
        let on_error = out
            .iter()
            .filter(|id| condition(&graph, **id) == Some(&Condition::OnError));
        let on_error: Vec<EdgeId> = on_error.copied().collect();
        if error.is_some() {
            return Ok(match weight.on_error.action {
                _ if !on_error.is_empty() => Decision {
                    taken: on_error,
                    fatal: false,
                },
                ErrorAction::Fail => Decision {
                    taken: Vec::new(),
                    fatal: true,
                },
                ErrorAction::Skip => Decision::default(),
                ErrorAction::Continue => self.choose(&graph, node, weight, out)?,
            });
        }
        self.choose(&graph, node, weight, out)
    }

    fn choose(
        &mut self,
        graph: &Arc<Graph>,
        node: NodeId,
        weight: &Node,
        out: &[EdgeId],
    ) -> Result<Decision, NodeError> {
        let plain = |id: &EdgeId| condition(graph, *id) == Some(&Condition::Always);
        if out.iter().all(plain) {
            return Ok(Decision {
                taken: out.to_vec(),
                fatal: false,
            });
        }
        let inputs = self.inputs_of(node)?;
        let innermost = graph.plan().loops_around(node).last();
        let turn = innermost.map_or(1, |index| self.scheduler.turn(*index));
        let names = [("visits", Arc::new(Value::from(turn)))];
        let scope = Within {
            names: &names,
            outer: &inputs,
        };
        let mut taken = Vec::with_capacity(out.len());
        let mut otherwise = Vec::new();
        let mut held = false;
        for id in out {
            let back = graph
                .plan()
                .edge(*id)
                .is_some_and(|edge| edge.back.is_some());
            let name = |error: ExpressionError| {
                let message = format!("an edge out of `{}`: {error}", weight.name);
                NodeError::new(ErrorKind::Expression, message)
            };
            let takes = match condition(graph, *id) {
                Some(Condition::Always) => true,
                Some(Condition::When(when)) => {
                    let holds = when.holds(&scope).map_err(name)?;
                    // A loop-back may be refused by its bound; `else` is about the way ahead.
                    held |= holds && !back;
                    holds
                }
                Some(Condition::Case(value, case)) => {
                    is_case(&value.eval(&scope).map_err(name)?, case)
                }
                Some(Condition::NoCase(value, cases)) => {
                    let value = value.eval(&scope).map_err(name)?;
                    !cases.iter().any(|case| is_case(&value, case))
                }
                Some(Condition::Otherwise) => {
                    otherwise.push(*id);
                    false
                }
                Some(Condition::OnError) | None => false,
            };
            if takes {
                taken.push(*id);
            }
        }
        if !held {
            taken.extend(otherwise);
            taken.sort_unstable();
        }
        Ok(Decision {
            taken,
            fatal: false,
        })
    }
}

#[derive(Debug, Default)]
struct Decision {
    taken: Vec<EdgeId>,
    fatal: bool,
}

fn condition(graph: &Graph, id: EdgeId) -> Option<&Condition> {
    let edge = petgraph::stable_graph::EdgeIndex::new(id.0 as usize);
    graph.flow().edge_weight(edge).map(|edge| &edge.condition)
}

/// Cases are written as text; other values are compared by how they are written.
fn is_case(value: &Value, case: &str) -> bool {
    match value {
        Value::String(text) => text == case,
        other => other.to_string().as_str() == case,
    }
}
