//! Which tables a statement reads, told apart from names that it gives itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, Expr, ObjectName, ObjectNamePart, Query, TableFactor, Visit, Visitor, visit_relations,
};

use crate::dialect::Dialect;
use crate::guard::rules::folded;
use crate::guard::{Guard, Refusal, Rules, nodes};

/// Schemas in which databases keep what is theirs.
const OWN_SCHEMAS: [&str; 8] = [
    "information_schema",
    "mysql",
    "performance_schema",
    "pg_catalog",
    "pg_temp",
    "pg_toast",
    "sys",
    "temp",
];

/// The tables that are read, each once, in the order in which they first stand.
///
/// # Errors
/// When one of them may not be read.
pub(super) fn check(query: &Query, guard: &Guard) -> Result<Vec<String>, Refusal> {
    let mut relations = Relations {
        guard,
        scopes: Scopes::default(),
        function: None,
        read: Vec::new(),
    };
    match query.visit(&mut relations) {
        ControlFlow::Continue(()) => Ok(relations.read),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

/// The last names of the tables that a condition reads.
pub(super) fn last_names(condition: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _ = visit_relations(condition, |relation| {
        if let Some(ObjectNamePart::Identifier(name)) = relation.0.last() {
            names.insert(folded(&name.value));
        }
        ControlFlow::<()>::Continue(())
    });
    names
}

struct Relations<'a> {
    guard: &'a Guard,
    scopes: Scopes,
    /// The name of a function that stands where a table could, by its address in the tree.
    function: Option<usize>,
    read: Vec<String>,
}

/// Names given by WITH, where they can be seen.
///
/// Inside of its own definition and those before it a name is not given yet, unless WITH is
/// RECURSIVE: there it means the table. A checker that takes the name for given lets any table be
/// read by naming a definition like it.
#[derive(Default)]
pub(super) struct Scopes {
    around: Vec<Scope>,
    /// What is given inside of a definition by the WITH it belongs to, by the definition's address
    /// in the tree.
    definitions: BTreeMap<usize, BTreeSet<String>>,
}

struct Scope {
    given: BTreeSet<String>,
    /// In a definition: what the WITH around gives here, instead of all it gives.
    of_with: Option<BTreeSet<String>>,
}

impl Scopes {
    pub(super) fn enter(&mut self, query: &Query) {
        let mut given = BTreeSet::new();
        if let Some(with) = &query.with {
            let name = |cte: &Cte| folded(&cte.alias.name.value);
            if with.recursive {
                given.extend(with.cte_tables.iter().map(name));
            }
            for cte in &with.cte_tables {
                self.definitions.insert(address(&cte.query), given.clone());
                given.insert(name(cte));
            }
        }
        let of_with = self.definitions.get(&address(query)).cloned();
        self.around.push(Scope { given, of_with });
    }

    pub(super) fn leave(&mut self) {
        self.around.pop();
    }

    /// Whether a plain name, folded, is one given here.
    pub(super) fn gives(&self, name: &str) -> bool {
        let mut of_with: Option<&BTreeSet<String>> = None;
        for scope in self.around.iter().rev() {
            if of_with.unwrap_or(&scope.given).contains(name) {
                return true;
            }
            of_with = scope.of_with.as_ref();
        }
        false
    }
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

impl Visitor for Relations<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = folded(&cte.alias.name.value);
            // What a name means inside of its own definition depends on the database; one that
            // cannot mean two things needs no answer.
            if self.is_guarded(&name) {
                return ControlFlow::Break(Refusal::new(
                    format!(
                        "WITH gives the name `{}`, which a table has",
                        cte.alias.name.value
                    ),
                    "give it another name",
                ));
            }
        }
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Refusal> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refusal> {
        self.function = match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            } => Some(std::ptr::from_ref(name).addr()),
            _ => None,
        };
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Refusal> {
        if self.function == Some(std::ptr::from_ref(relation).addr()) {
            return ControlFlow::Continue(());
        }
        match self.relation(relation) {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }
}

impl Relations<'_> {
    /// Whether a rule or a condition speaks of a table of this name, or the database keeps it for
    /// itself.
    fn is_guarded(&self, name: &str) -> bool {
        self.guard.rules.speak_of(name)
            || self.guard.of_conditions.contains(name)
            || is_own(name, self.guard.dialect)
    }

    fn relation(&mut self, relation: &ObjectName) -> Result<(), Refusal> {
        let words = nodes::words(relation)?;
        let folded_words: Vec<String> = words.iter().map(|word| folded(&word.value)).collect();
        let mut full = folded_words.join(".");
        if self.guard.dialect == Dialect::Sqlite
            && let Some(usual) = full.strip_prefix("main.")
        {
            full = usual.to_owned();
        }
        let last = folded_words.last().cloned().unwrap_or_default();
        if words.len() == 1 && self.scopes.gives(&last) {
            return Ok(());
        }
        let schema = folded_words.iter().rev().nth(1);
        let own_schema = schema.is_some_and(|schema| {
            OWN_SCHEMAS.contains(&schema.as_str()) || schema.starts_with("pg_")
        });
        let allowed = self.guard.rules.may_see(&full);
        let own = own_schema || is_own(&last, self.guard.dialect);
        if own && !self.guard.rules.lists(&full) {
            return Err(Refusal::new(
                format!("`{full}` is kept by the database for itself"),
                "ask the `schema` tool what there is",
            ));
        }
        if !allowed {
            return Err(Refusal::new(
                format!("the table `{full}` may not be read here"),
                "ask the `schema` tool which tables may be read",
            ));
        }
        let name = words.iter().map(|word| word.value.as_str());
        let name = name.collect::<Vec<&str>>().join(".");
        if !self.read.contains(&name) {
            self.read.push(name);
        }
        Ok(())
    }
}

/// Whether a table of SQLite may be read. Rows that a function gives are a table to it, and the
/// tables behind one with full text are named after it.
pub(super) fn may_read(table: &str, rules: &Rules) -> bool {
    let name = folded(table);
    if is_own(&name, Dialect::Sqlite) {
        return false;
    }
    let computed = matches!(
        name.as_str(),
        "json_each" | "json_tree" | "jsonb_each" | "jsonb_tree" | "generate_series"
    );
    rules.tables.is_empty()
        || computed
        || rules.tables.iter().any(|listed| {
            let listed = folded(listed.rsplit('.').next().unwrap_or(listed));
            let behind =
                |rest: &str| ["_content", "_data", "_docsize", "_idx", "_config"].contains(&rest);
            name == listed || name.strip_prefix(&listed).is_some_and(behind)
        })
}

/// Tables that databases keep about themselves without a schema before them.
fn is_own(name: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Sqlite => {
            name.starts_with("sqlite_") || name.starts_with("pragma_") || name == "dbstat"
        }
        Dialect::Postgres => name.starts_with("pg_"),
        Dialect::Mysql => false,
    }
}
