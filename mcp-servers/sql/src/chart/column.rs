//! The columns of an answer, and what part each can play in a chart.

use std::collections::HashSet;

use crate::database::{Cell, Rows};

use super::names;
use super::reading::{self, Grain, Reading};

/// Texts longer than this on the average are read, not compared.
const PROSE: usize = 80;

/// What a column can be in a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Numbers that measure something.
    Measure,
    /// When.
    Time(Grain),
    /// One of a few.
    Category,
    /// One of a few that have an order of their own: months, hours.
    Ordered,
    /// Tells rows apart.
    Identifier,
    /// Nothing.
    Other,
}

/// A column as charts see it.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) title: String,
    pub(super) role: Role,
    pub(super) can_be_summed: bool,
    /// Its numbers, or the seconds of its moments.
    pub(super) numbers: Vec<Option<f64>>,
    /// Its values as texts.
    pub(super) labels: Vec<String>,
    /// How many different ones there are.
    pub(super) distinct: usize,
    /// Numbers that have no place on an axis.
    pub(super) odd: usize,
}

/// All columns of an answer.
pub(super) fn read(rows: &Rows) -> Vec<Column<'_>> {
    let columns = rows.columns.iter().enumerate();
    columns
        .map(|(place, head)| {
            let cells: Vec<&Cell> = rows
                .rows
                .iter()
                .map(|row| row.get(place).unwrap_or(&Cell::Null))
                .collect();
            Column::of(&head.name, &head.kind, &cells)
        })
        .collect()
}

impl<'a> Column<'a> {
    fn of(name: &'a str, kind: &str, cells: &[&Cell]) -> Self {
        let words = names::words(name);
        let readings: Vec<Reading> = cells.iter().map(|cell| reading::number(cell)).collect();
        let mut numbers: Vec<Option<f64>> = readings
            .iter()
            .map(|reading| match reading {
                Reading::Number(number) => Some(*number),
                Reading::Odd | Reading::Other => None,
            })
            .collect();
        let there = cells.iter().filter(|cell| !cell.is_null()).count();
        let odd = readings.iter().filter(|one| **one == Reading::Odd).count();
        let drawn = numbers.iter().flatten().count();
        let numeric = drawn > 0 && drawn + odd == there;
        let labels: Vec<String> = cells.iter().map(|cell| reading::label(cell)).collect();
        let different: HashSet<&str> = labels.iter().map(String::as_str).collect();
        let distinct = different.len();

        let years = names::of_years(name, &words).then(|| {
            let years = numbers.iter().map(|number| number.and_then(reading::year));
            years.collect::<Vec<_>>()
        });
        let years = years.filter(|years| numeric && years.iter().flatten().count() == there);
        let role = if let Some(years) = years {
            numbers = years;
            Role::Time(Grain::Year)
        } else if numeric && !texts(kind, cells) {
            let whole = numbers.iter().flatten().all(|number| number.fract() == 0.0);
            if whole && names::names_things(&words) {
                Role::Identifier
            } else if whole && distinct <= 100 && names::in_a_round(&words) {
                Role::Ordered
            } else {
                Role::Measure
            }
        } else if let Some((moments, grain)) = moments(cells, there) {
            numbers = moments;
            Role::Time(grain)
        } else {
            numbers = vec![None; cells.len()];
            named(cells, there, &words, distinct)
        };
        Self {
            name,
            title: names::title(name),
            can_be_summed: names::can_be_summed(name, &words),
            role,
            numbers,
            labels,
            distinct,
            odd: if role == Role::Measure { odd } else { 0 },
        }
    }

    /// Whether it can say to which group a row belongs.
    pub(super) fn groups(&self) -> bool {
        matches!(self.role, Role::Category | Role::Ordered)
    }

    /// Whether no two rows have the same value.
    pub(super) fn tells_apart(&self) -> bool {
        self.distinct == self.labels.len()
    }

    /// Whether the rows are in the order of this column, whichever way.
    pub(super) fn is_sorted(&self) -> bool {
        if self.distinct < 2 {
            return false;
        }
        if matches!(self.role, Role::Category | Role::Identifier | Role::Other)
            && self.numbers.iter().all(Option::is_none)
        {
            let folded: Vec<String> = self.labels.iter().map(|one| one.to_lowercase()).collect();
            return folded.is_sorted() || folded.iter().rev().is_sorted();
        }
        // Databases put what is missing first or last.
        let known: Vec<f64> = self.numbers.iter().flatten().copied().collect();
        known.is_sorted() || known.iter().rev().is_sorted()
    }
}

/// Whether digits are meant as a text.
fn texts(kind: &str, cells: &[&Cell]) -> bool {
    let kind = kind.to_lowercase();
    let said = ["char", "text", "string", "clob"]
        .iter()
        .any(|text| kind.contains(text));
    said && cells.iter().all(|cell| cell.is_string() || cell.is_null())
}

fn moments(cells: &[&Cell], there: usize) -> Option<(Vec<Option<f64>>, Grain)> {
    let read: Vec<Option<(f64, Grain)>> = cells
        .iter()
        .map(|cell| cell.as_str().and_then(reading::moment))
        .collect();
    let grain = read.iter().flatten().map(|(_, grain)| *grain).max()?;
    let moments: Vec<Option<f64>> = read.iter().map(|one| one.map(|(at, _)| at)).collect();
    (moments.iter().flatten().count() == there).then_some((moments, grain))
}

fn named(cells: &[&Cell], there: usize, words: &[String], distinct: usize) -> Role {
    let simple = |cell: &&Cell| !cell.is_array() && !cell.is_object();
    let letters: usize = cells
        .iter()
        .filter_map(|cell| cell.as_str())
        .map(str::len)
        .sum();
    if there == 0 || !cells.iter().all(simple) || letters > there.saturating_mul(PROSE) {
        Role::Other
    } else if distinct == cells.len() && names::names_things(words) {
        Role::Identifier
    } else {
        Role::Category
    }
}
