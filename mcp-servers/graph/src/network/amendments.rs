//! What became of a section: what modifies, replaces, expands or removes it, and what does so to
//! those in turn. Nothing is overwritten: what does not count any more is listed as well.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};

use super::facts::Fact;
use super::snapshot::Snapshot;
use super::timeline::day;
use crate::name::Key;

/// How many sections a chain is followed over.
const MOST: usize = 10_000;

/// What one section does to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It holds in other words.
    Modifies,
    /// There is more to it.
    Expands,
    /// Something else holds in its place.
    Replaces,
    /// It does not hold any more.
    Removes,
}

impl Change {
    /// The change that a predicate means.
    pub fn of(predicate: &str) -> Option<Self> {
        match predicate {
            "modifies" => Some(Self::Modifies),
            "expands" => Some(Self::Expands),
            "replaces" => Some(Self::Replaces),
            "removes" => Some(Self::Removes),
            _ => None,
        }
    }
}

/// A change of a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    /// What it does.
    pub change: Change,
    /// From when on, as it says, or else as its document does.
    pub day: Option<String>,
    /// Whether it counts on the day that is asked for: its time has come and is not over, and what
    /// it stands in was neither replaced nor removed itself.
    pub in_force: bool,
    /// Who says so.
    pub fact: Fact,
}

/// How a section stands on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it was written.
    Original,
    /// With what these sections say, in their order.
    Amended(Vec<Key>),
    /// Another one holds in its place.
    Replaced(Key),
    /// It does not hold any more.
    Removed(Key),
}

/// What became of a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// How it stands.
    pub state: State,
    /// Every change of it, and of what changes it: by day, those without one last, then by passage.
    pub amendments: Vec<Amendment>,
    /// Sections that change each other in a circle; which of them came first cannot be told, so
    /// that what they do to each other does not count.
    pub cyclic: Vec<Vec<Key>>,
    /// Whether there was more than is followed.
    pub cut: bool,
}

impl Snapshot {
    /// What became of a section by a day, or by all that is known.
    pub fn history(&self, section: &Key, on: Option<&str>) -> History {
        let on = day(on);
        let mut cut = false;
        let changes = self.changes(section, &mut cut);
        let mut graph: DiGraph<&Key, ()> = DiGraph::new();
        let nodes: BTreeMap<&Key, NodeIndex> = changes
            .keys()
            .map(|section| (section, graph.add_node(section)))
            .collect();
        for (section, list) in &changes {
            for change in list {
                if let Some((from, to)) = nodes.get(section).zip(nodes.get(&change.1.subject)) {
                    graph.add_edge(*from, *to, ());
                }
            }
        }
        // What a section hangs on comes before it.
        let mut states: BTreeMap<Key, State> = BTreeMap::new();
        let mut amendments: Vec<(Option<Date>, Amendment)> = Vec::new();
        let mut cyclic = Vec::new();
        for circle in kosaraju_scc(&graph) {
            let members: BTreeSet<&Key> = circle
                .iter()
                .filter_map(|node| graph.node_weight(*node).copied())
                .collect();
            let mut in_circle = members.len() > 1;
            for section in &members {
                let list = changes.get(*section).map_or(&[][..], Vec::as_slice);
                let mut counted = Vec::new();
                for (change, fact, from) in list {
                    let circular = members.contains(&fact.subject);
                    in_circle |= circular;
                    let ended = matches!(
                        states.get(&fact.subject),
                        Some(State::Replaced(_) | State::Removed(_))
                    );
                    let in_force = !circular && !ended && counts(fact, *from, on);
                    let amendment = Amendment {
                        change: *change,
                        day: from.map(|day| day.to_string()),
                        in_force,
                        fact: fact.clone(),
                    };
                    if in_force {
                        counted.push((*change, fact.subject.clone()));
                    }
                    amendments.push((*from, amendment));
                }
                states.insert((*section).clone(), state(counted));
            }
            if in_circle {
                cyclic.push(members.into_iter().cloned().collect::<Vec<Key>>());
            }
        }
        cyclic.sort_unstable();
        amendments
            .sort_by_cached_key(|(day, amendment)| (day.is_none(), *day, amendment.fact.order()));
        History {
            state: states.remove(section).unwrap_or(State::Original),
            amendments: amendments.into_iter().map(|(_, one)| one).collect(),
            cyclic,
            cut,
        }
    }

    /// The changes of a section and of all that changes it, each by day.
    fn changes(
        &self,
        section: &Key,
        cut: &mut bool,
    ) -> BTreeMap<Key, Vec<(Change, Fact, Option<Date>)>> {
        let mut all = BTreeMap::new();
        let mut layer: BTreeSet<Key> = [section.clone()].into();
        while !layer.is_empty() {
            let mut next = BTreeSet::new();
            for section in layer {
                if all.len() >= MOST {
                    *cut = true;
                    return all;
                }
                let list = self.changes_of(&section);
                next.extend(list.iter().map(|(_, fact, _)| fact.subject.clone()));
                all.insert(section, list);
            }
            next.retain(|section| !all.contains_key(section));
            layer = next;
        }
        all
    }

    fn changes_of(&self, section: &Key) -> Vec<(Change, Fact, Option<Date>)> {
        let Some(entity) = self.find_entity(section) else {
            return Vec::new();
        };
        let said = self.said_of(entity).filter_map(|said| {
            let change = Change::of(self.word(said.predicate))?;
            let own = day(self.optional(said.valid_from));
            let from = own.or_else(|| self.day_of(said.passage));
            Some((change, self.fact(said), from))
        });
        let mut list: Vec<_> = said.collect();
        list.sort_by_cached_key(|(_, fact, from)| (from.is_none(), *from, fact.order()));
        list
    }
}

/// Whether the time of a statement has come and is not over. One without a day always counts; asked
/// for no day, whatever has an end is over.
fn counts(fact: &Fact, from: Option<Date>, on: Option<Date>) -> bool {
    let until = day(fact.valid_to.as_deref());
    match on {
        None => until.is_none(),
        Some(on) => from.is_none_or(|from| from <= on) && until.is_none_or(|until| on < until),
    }
}

/// How a section stands after what counts: the last that ends it decides, and what came after.
fn state(counted: Vec<(Change, Key)>) -> State {
    let mut state = State::Original;
    for (change, by) in counted {
        state = match (change, state) {
            (Change::Replaces, _) => State::Replaced(by),
            (Change::Removes, _) => State::Removed(by),
            (_, State::Amended(mut sections)) => {
                sections.retain(|section| *section != by);
                sections.push(by);
                State::Amended(sections)
            }
            (_, State::Original) => State::Amended(vec![by]),
            // What is gone is not changed any more.
            (_, ended) => ended,
        };
    }
    state
}
