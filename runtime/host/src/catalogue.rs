//! The tools of all servers under one roof.
//!
//! A tool is called `server__tool` here. The name of a server is first made a label that no other
//! server's label equals, and that holds no `__` and does not end in `_`: so the label can be told
//! from the rest, and no tool of one server can have the name of another's, whatever it calls
//! itself. A name once given stays with its tool for as long as the host lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rmcp::model::Tool;
use ropewalk_core::digest::digest;
use ropewalk_core::tool::ToolSpec;
use ropewalk_core::untrusted::Suspicion;
use serde_json::json;

use crate::guard::{Candidate, Guard, Held, HeldBecause};
use crate::translate::spec_of;
use crate::validation::ToolSchemas;

/// Longest tool name that every provider accepts.
const MAX_NAME: usize = 64;

/// Longest label of a server: half of a name is left for the tool.
const MAX_LABEL: usize = 30;

/// Characters of a digest that tell two labels apart.
const DIGEST_PART: usize = 6;

/// Tools of servers, by the names that models see.
#[derive(Default)]
pub(crate) struct Catalogue {
    /// Of each server that is configured, running or not.
    labels: BTreeMap<String, String>,
    /// Names that were given, by server and the tool's name there.
    given: BTreeMap<(String, String), String>,
    tools: BTreeMap<String, Arc<CataloguedTool>>,
}

/// One tool.
#[derive(Clone)]
pub(crate) struct CataloguedTool {
    pub(crate) spec: ToolSpec,
    pub(crate) server: String,
    /// Its name on the server.
    pub(crate) own_name: String,
    pub(crate) schemas: Arc<ToolSchemas>,
    /// Why it is not offered.
    pub(crate) held: Option<HeldBecause>,
    /// What in its definition looks like orders to a model.
    pub(crate) suspicions: Vec<Suspicion>,
}

/// Lets the tools of a server in; without a guard, they are ours. Gives them ready to be called,
/// and how many were seen for the first time and agreed to.
///
/// Blocks: pins are read, and may be written.
pub(crate) fn let_in(
    server: &str,
    specs: Vec<(String, ToolSpec)>,
    guard: Option<&Guard>,
) -> (Vec<CataloguedTool>, usize) {
    let candidates: Vec<Candidate<'_>> = specs
        .iter()
        .map(|(tool, spec)| Candidate { tool, spec })
        .collect();
    let mut admission = guard
        .map(|guard| guard.admit(server, &candidates))
        .unwrap_or_default();
    let tools = specs.into_iter().map(|(own_name, spec)| {
        let schemas = ToolSchemas::new(&spec.input_schema, spec.output_schema.as_ref());
        let suspicions = guard.map(|guard| guard.suspicions(server, &spec));
        CataloguedTool {
            held: admission.held.remove(&own_name),
            spec,
            server: server.to_owned(),
            own_name,
            schemas: Arc::new(schemas),
            suspicions: suspicions.unwrap_or_default(),
        }
    });
    (tools.collect(), admission.first)
}

impl Catalogue {
    /// For these servers. Which of them run does not matter to what tools are called.
    pub(crate) fn new<'a>(servers: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            labels: labels(servers),
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<CataloguedTool>> {
        self.tools.get(name).cloned()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// A tool by its server and its name there.
    pub(crate) fn at(&self, server: &str, tool: &str) -> Option<Arc<CataloguedTool>> {
        let mut tools = self.tools.values();
        let found = tools.find(|found| found.server == server && found.own_name == tool);
        found.cloned()
    }

    /// What is offered.
    pub(crate) fn specs(&self) -> Vec<ToolSpec> {
        let offered = self.tools.values().filter(|tool| tool.held.is_none());
        offered.map(|tool| tool.spec.clone()).collect()
    }

    /// What is held back.
    pub(crate) fn held(&self) -> Vec<Held> {
        let held = self.tools.values().filter_map(|tool| {
            Some(Held {
                server: tool.server.clone(),
                tool: tool.own_name.clone(),
                because: tool.held.clone()?,
            })
        });
        held.collect()
    }

    /// Offers a tool that was held back, if it is still as it was looked at.
    pub(crate) fn release(&mut self, spec: &ToolSpec) {
        if let Some(tool) = self.tools.get_mut(&spec.name)
            && tool.spec == *spec
        {
            Arc::make_mut(tool).held = None;
        }
    }

    pub(crate) fn count(&self, server: &str) -> usize {
        let of_server = self.tools.values().filter(|tool| tool.server == server);
        of_server.count()
    }

    /// The tools of a server under their names here, each with its name there.
    pub(crate) fn named(&mut self, server: &str, mut tools: Vec<Tool>) -> Vec<(String, ToolSpec)> {
        // Names that must be numbered get the same numbers every time.
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        tools.dedup_by(|a, b| a.name == b.name);
        let specs = tools.iter().map(|tool| {
            let spec = spec_of(self.name(server, &tool.name), tool);
            (tool.name.to_string(), spec)
        });
        specs.collect()
    }

    /// What a server offers now, in the place of what it offered.
    pub(crate) fn replace(&mut self, server: &str, tools: Vec<CataloguedTool>) {
        self.tools.retain(|_, tool| tool.server != server);
        for tool in tools {
            self.tools.insert(tool.spec.name.clone(), Arc::new(tool));
        }
    }

    /// The name of a tool: the one it had, or a new one.
    fn name(&mut self, server: &str, tool: &str) -> String {
        let key = (server.to_owned(), tool.to_owned());
        if let Some(name) = self.given.get(&key) {
            return name.clone();
        }
        let taken: BTreeSet<&str> = self.given.values().map(String::as_str).collect();
        let label = self.labels.get(server).map_or(server, String::as_str);
        let name = free_name(label, tool, &taken);
        self.given.insert(key, name.clone());
        name
    }
}

/// `label__tool` in the characters every provider accepts, numbered when taken.
fn free_name(label: &str, tool: &str, taken: &BTreeSet<&str>) -> String {
    let plain: String = accepted(&format!("{label}__{tool}"))
        .take(MAX_NAME)
        .collect();
    if !taken.contains(plain.as_str()) {
        return plain;
    }
    let numbered = |number: u32| {
        let ending = format!("_{number}");
        let kept: String = plain.chars().take(MAX_NAME - ending.len()).collect();
        kept + &ending
    };
    (2..u32::MAX)
        .map(numbered)
        .find(|name| !taken.contains(name.as_str()))
        .unwrap_or(plain)
}

fn accepted(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c
        } else {
            '_'
        }
    })
}

/// A label for each server. One that is its server's name is not taken away by another server.
fn labels<'a>(servers: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let servers: BTreeSet<&str> = servers.into_iter().collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut labels = BTreeMap::new();
    let (clean, others): (Vec<&str>, Vec<&str>) =
        servers.into_iter().partition(|name| label(name) == *name);
    for name in clean {
        taken.insert(name.to_owned());
        labels.insert(name.to_owned(), name.to_owned());
    }
    for name in others {
        let mut own = label(name);
        if own.is_empty() || !taken.insert(own.clone()) {
            let digest = digest(&json!(name));
            let part: String = digest
                .chars()
                .rev()
                .filter(char::is_ascii_alphanumeric)
                .take(DIGEST_PART)
                .collect();
            own = format!("{own}-{part}");
            taken.insert(own.clone());
        }
        labels.insert(name.to_owned(), own);
    }
    labels
}

/// A server's name without what a label may not hold.
fn label(server: &str) -> String {
    let mut label = String::new();
    for c in accepted(server).take(MAX_LABEL) {
        if !(c == '_' && label.ends_with('_')) {
            label.push(c);
        }
    }
    label.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tools(names: &[&str]) -> Vec<Tool> {
        let schema = Arc::new(serde_json::Map::new());
        names
            .iter()
            .map(|name| Tool::new((*name).to_owned(), "A tool.", Arc::clone(&schema)))
            .collect()
    }

    fn offers(catalogue: &mut Catalogue, server: &str, names: &[&str]) {
        let specs = catalogue.named(server, tools(names));
        let (tools, _) = let_in(server, specs, None);
        catalogue.replace(server, tools);
    }

    fn named(catalogue: &Catalogue) -> Vec<&str> {
        catalogue.names().collect()
    }

    #[test]
    fn a_name_once_given_stays_with_its_tool() {
        let mut catalogue = Catalogue::new(["s"]);
        offers(&mut catalogue, "s", &["die.once"]);
        assert_eq!(named(&catalogue), ["s__die_once"]);
        // Alone in order, it would come first.
        offers(&mut catalogue, "s", &["die.once", "die once"]);
        assert_eq!(named(&catalogue), ["s__die_once", "s__die_once_2"]);
        assert_eq!(catalogue.get("s__die_once").unwrap().own_name, "die.once");
        offers(&mut catalogue, "s", &["die once"]);
        assert_eq!(named(&catalogue), ["s__die_once_2"]);
        assert!(
            catalogue.get("s__die_once").is_none(),
            "it is nobody else's now"
        );
    }

    #[test]
    fn a_server_cannot_take_the_name_of_anothers_tool() {
        let servers = ["a", "a__b", "a_", "a b", "A.b", "a/b", "../a", ""];
        let mut forth = Catalogue::new(servers);
        let mut back = Catalogue::new(servers);
        let all = ["c", "b__c", "_b__c", "__c", ""];
        for server in servers {
            offers(&mut forth, server, &all);
        }
        for server in servers.iter().rev() {
            offers(&mut back, server, &all);
        }
        assert_eq!(forth.names().count(), servers.len() * all.len());
        for name in forth.names() {
            let (ours, theirs) = (forth.get(name).unwrap(), back.get(name).unwrap());
            assert_eq!(ours.server, theirs.server, "{name}: whoever starts first");
        }
    }

    proptest! {
        #[test]
        fn labels_are_told_apart_and_from_the_rest(
            servers in prop::collection::btree_set("[a-b_./ é-]{0,8}|[a-z]{28,34}", 0..12),
        ) {
            let labels = labels(servers.iter().map(String::as_str));
            let different: BTreeSet<&String> = labels.values().collect();
            prop_assert_eq!(different.len(), servers.len());
            for label in labels.values() {
                prop_assert!(!label.contains("__") && !label.ends_with('_'), "{}", label);
                prop_assert!(label.len() <= MAX_LABEL + 1 + DIGEST_PART);
            }
        }
    }
}
