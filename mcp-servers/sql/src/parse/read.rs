//! Reading a question from left to right into a form.
//!
//! A question shows items (`items`) of rows that are told apart (`telling`): by what is named
//! (`naming`), by values (`valued`) and comparisons (`comparing`, `numbers`), by being first in an order
//! (`ordering`). What the parts mean together is decided at the end (`finishing`: `showing`,
//! `grouping`, `firsts`). Wherever words may mean several things, the tape decides (`choosing`);
//! whatever is not understood is paid for (`unknown`).

mod choosing;
mod comparing;
mod finishing;
mod firsts;
mod grouping;
mod items;
mod naming;
mod numbers;
mod ordering;
mod showing;
mod telling;
mod unknown;
mod valued;

use std::collections::HashSet;

use crate::parse::chunks::{Chunk, What};
use crate::parse::facts::Facts;
use crate::parse::form::{AnyOf, At, Filter, Form, Function, Literal, Op, Test};
use crate::parse::lexicon::{Measure, Role};
use crate::parse::link::{Link, Linker};
use crate::parse::tape::Tape;

/// What is paid for what a reading leaves open.
pub(super) mod price {
    /// A word that nothing is known of.
    pub(in crate::parse) const UNKNOWN: f32 = 1.6;
    /// A word that looks like a verb.
    pub(in crate::parse) const VERB: f32 = 0.1;
    /// A word that this parser leaves to others.
    pub(in crate::parse) const BEYOND: f32 = 3.0;
    /// A column that nothing is said of.
    pub(in crate::parse) const DANGLING: f32 = 1.0;
    /// A value that is in no column that was read whole.
    pub(in crate::parse) const NO_VALUE: f32 = 1.2;
    /// A word that another is read with, and that adds nothing.
    pub(in crate::parse) const BESIDE: f32 = 0.12;
    /// A part that stands where none is expected.
    pub(in crate::parse) const ODD: f32 = 0.8;
}

/// What is shown, before its columns are found.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    kind: ItemKind,
    link: Link,
    /// The table that it is told to be of.
    owner: Option<usize>,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum ItemKind {
    Plain,
    Functions(Vec<Function>),
    Count {
        distinct: bool,
    },
    /// All columns.
    Everything,
    /// How much of something an entity has: "how old".
    Measured(Measure),
}

/// What is counted, to compare or sort by it.
#[derive(Debug, Clone, PartialEq)]
struct Counted {
    table: Option<usize>,
    column: Option<At>,
}

/// A reading of a question.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) form: Form,
    pub(super) notes: Vec<String>,
    pub(super) doubts: Vec<String>,
    /// Stems of words that only say how things belong together.
    pub(super) hints: Vec<String>,
}

pub(super) struct Reader<'a> {
    facts: &'a Facts,
    linker: &'a Linker,
    chunks: &'a [Chunk],
    at: usize,
    tape: &'a mut Tape,
    read: Read,
    items: Vec<Item>,
    /// The table that what is told now is about.
    focus: Option<usize>,
    mentioned: HashSet<usize>,
    /// A column of which something is about to be said.
    pending: Option<(Link, String)>,
    negated: bool,
    both: Vec<Filter>,
    wants_both: bool,
    /// Whether something has been told apart since the items.
    told: bool,
    /// Whether filters belong to what must be absent.
    absent: bool,
    distinct: bool,
    /// What rows are put together by.
    each: Vec<(Link, String)>,
    /// "each", without saying what.
    each_shown: bool,
    having: Option<(Counted, crate::parse::form::Op, f64, Option<f64>)>,
    /// By what the first rows are found: a count, a column or an aggregate.
    first: Option<First>,
    limit: Option<u64>,
    /// Whether the rows that are shown are the first in the order that they are sorted by.
    first_in_order: bool,
    orders: Vec<(OrderKey, bool)>,
    /// The preposition before what comes now.
    preposition: Option<Role>,
    commonest: Option<bool>,
    /// Whether the next filter is another way for the last one.
    or: bool,
    /// What was compared last.
    compared: Option<At>,
    /// What a second list of items takes the place of.
    replaced: Vec<Item>,
    /// Numbers said before it is known of what.
    early: Vec<(Op, f64)>,
    /// What "higher" measures where nothing else is said.
    higher: bool,
    /// The table of the item that is looked at.
    of_item: Option<usize>,
    /// Whether the subject was named as a whole.
    explicit: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum First {
    Column {
        link: Link,
        measure: Option<Measure>,
        down: bool,
        focus: Option<usize>,
        text: String,
    },
    Count {
        counted: Counted,
        down: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum OrderKey {
    Named(Link, String),
    Function(Function, Link),
    Count(Option<usize>),
    /// What is shown; the first of it where the order is alphabetical.
    Shown(bool),
}

/// Reads chunks.
pub(super) fn read(
    chunks: &[Chunk],
    facts: &Facts,
    linker: &Linker,
    tape: &mut Tape,
) -> Option<Read> {
    let mut reader = Reader {
        facts,
        linker,
        chunks,
        at: 0,
        tape,
        read: Read::default(),
        items: Vec::new(),
        focus: None,
        mentioned: HashSet::new(),
        pending: None,
        negated: false,
        both: Vec::new(),
        wants_both: false,
        told: false,
        absent: false,
        distinct: false,
        each: Vec::new(),
        each_shown: false,
        having: None,
        first: None,
        limit: None,
        first_in_order: false,
        orders: Vec::new(),
        preposition: None,
        commonest: None,
        or: false,
        compared: None,
        replaced: Vec::new(),
        early: Vec::new(),
        higher: false,
        of_item: None,
        explicit: false,
    };
    while reader.at < reader.chunks.len() {
        let before = reader.at;
        reader.items();
        reader.telling();
        if reader.at == before {
            reader.odd();
        }
    }
    reader.finish()
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a What> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<&'a What> {
        let chunk = self.chunks.get(self.at.checked_add(by)?)?;
        Some(&chunk.what)
    }

    fn role(&self) -> Option<Role> {
        match self.peek()? {
            What::Role(role) => Some(*role),
            _ => None,
        }
    }

    fn text(&self) -> String {
        self.chunks
            .get(self.at)
            .map(|chunk| chunk.text.clone())
            .unwrap_or_default()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Skips what says nothing here.
    fn skip(&mut self, roles: &[Role]) -> bool {
        let before = self.at;
        while self.role().is_some_and(|role| roles.contains(&role)) {
            self.step();
        }
        self.at > before
    }

    fn skip_small(&mut self) {
        self.skip(&[Role::Filler, Role::All, Role::Some, Role::It]);
    }

    /// The place after what says nothing, from a place on.
    fn past_small(&self, mut by: usize) -> usize {
        while matches!(
            self.ahead(by),
            Some(What::Role(
                Role::Filler | Role::All | Role::Some | Role::Distinct | Role::Be
            ))
        ) {
            by = by.saturating_add(1);
        }
        by
    }

    fn note(&mut self, words: &str, meaning: &str) {
        self.read.notes.push(format!("“{words}”: {meaning}"));
    }

    fn doubt(&mut self, cost: f32, doubt: String) {
        self.tape.pay(cost);
        self.read.doubts.push(doubt);
    }

    fn table_name(&self, table: usize) -> String {
        self.facts
            .table(table)
            .map(|facts| facts.name.clone())
            .unwrap_or_default()
    }

    fn column_name(&self, at: At) -> String {
        let column = self.facts.column(at).map(|column| column.name.clone());
        format!(
            "{}.{}",
            self.table_name(at.table),
            column.unwrap_or_default()
        )
    }

    /// The table that everything is about, as far as it is known.
    fn subject(&self) -> Option<usize> {
        self.read.form.subject
    }

    /// Takes a table into the question.
    fn enter(&mut self, table: usize) {
        if self.subject().is_none() {
            self.read.form.subject = Some(table);
        } else if self.subject() != Some(table) && !self.read.form.joined.contains(&table) {
            self.read.form.joined.push(table);
        }
        self.mentioned.insert(table);
        self.focus = Some(table);
    }

    fn filter(&mut self, any: AnyOf) {
        self.told = true;
        let Some(first) = any.first().cloned() else {
            return;
        };
        self.mentioned.insert(first.at.table);
        if self.absent
            && let Some(absent) = self.read.form.absent.last_mut()
        {
            absent.filters.push(any);
            return;
        }
        let ordered = |filter: &Filter| match filter.test {
            Test::Is(op, Literal::Number(_)) => !matches!(op, Op::Equal | Op::Unequal),
            Test::Between(..) => true,
            _ => false,
        };
        let text = |filter: &Filter| {
            let column = self.facts.column(filter.at);
            column.is_some_and(|column| column.holds.neither())
        };
        if any.iter().any(|filter| ordered(filter) && text(filter)) {
            let name = self.column_name(first.at);
            self.doubt(price::ODD * 0.5, format!("{name} holds no numbers"));
        }
        self.compared = Some(first.at);
        if std::mem::take(&mut self.or)
            && let Some(last) = self.read.form.filters.last_mut()
        {
            last.extend(any);
            return;
        }
        if self.wants_both && any.len() == 1 && self.both.len() < 2 {
            self.both.push(first);
            return;
        }
        self.read.form.filters.push(any);
    }
}
