//! A form written down as SQL.
//!
//! - `conditions`: what rows must be like.
//! - `numbers`: columns compared, added up and sorted as numbers, however they are kept.

mod conditions;
mod numbers;

use crate::dialect::Dialect;
use crate::parse::facts::Facts;
use crate::parse::form::{At, Filter, Form, Shown};
use crate::parse::join::{Joins, joins};
use crate::parse::tape::Tape;
use crate::schema::Holds;

use numbers::number;

/// Writes a form; `None` where its tables do not hang together or something is missing.
pub(super) fn write(
    form: &Form,
    facts: &Facts,
    dialect: Dialect,
    hints: &[String],
    tape: &mut Tape,
) -> Option<Written> {
    match &form.both {
        None => Writer::new(form, facts, dialect, hints, tape)?.statement(),
        Some(both) => intersection(form, both, facts, dialect, hints, tape),
    }
}

/// What each of two filters holds for, not necessarily in the same row of what is joined.
fn intersection(
    form: &Form,
    (one, two): &(Filter, Filter),
    facts: &Facts,
    dialect: Dialect,
    hints: &[String],
    tape: &mut Tape,
) -> Option<Written> {
    // What is made of many rows, or comes in an order, is made of the halves together and not of
    // each. Only counts are written so.
    let counted = match form.select.as_slice() {
        [Shown::Count(of)] => Some(facts.key(of.or(form.subject)?)?),
        [Shown::Different(at)] => Some(*at),
        select if select.iter().any(Shown::aggregates) => return None,
        _ => None,
    };
    let plain = form.group.is_empty()
        && form.having.is_none()
        && form.order.is_empty()
        && form.limit.is_none()
        && !form.wrapped;
    if !plain {
        return None;
    }
    let mut halves = Vec::new();
    let mut tables = 0;
    for filter in [one, two] {
        let mut half = form.clone();
        half.both = None;
        half.filters.push(vec![filter.clone()]);
        if let Some(at) = counted {
            half.select = vec![Shown::Column(at)];
            if facts.column(at)?.nullable {
                half.filters.push(vec![Filter::known(at)]);
            }
        }
        let written = Writer::new(&half, facts, dialect, hints, tape)?.statement()?;
        tables = written.tables;
        halves.push(written.sql);
    }
    let both = halves.join(" INTERSECT ");
    let sql = match counted {
        Some(_) => format!("SELECT COUNT(*) FROM ({both}) AS counted"),
        None => both,
    };
    Some(Written {
        sql,
        tables,
        ties: None,
    })
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) sql: String,
    /// How many tables it joins.
    pub(super) tables: usize,
    pub(super) ties: Option<Ties>,
}

/// What shows whether it is chance which rows are the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ties {
    /// Gives what rows are sorted by and then what is shown, of one row more.
    pub(super) sql: String,
    /// How many columns rows are sorted by.
    pub(super) keys: usize,
    /// How many rows are shown.
    pub(super) shown: u64,
}

/// The parts of a statement.
#[derive(Default)]
struct Parts {
    distinct: bool,
    select: Vec<String>,
    from: String,
    conditions: Vec<String>,
    group: Vec<String>,
    having: Vec<String>,
    order: Vec<String>,
    limit: Option<u64>,
}

impl Parts {
    fn sql(&self) -> String {
        let mut sql = "SELECT ".to_owned();
        if self.distinct {
            sql.push_str("DISTINCT ");
        }
        sql.push_str(&self.select.join(", "));
        sql.push_str(" FROM ");
        sql.push_str(&self.from);
        for (word, parts, between) in [
            (" WHERE ", &self.conditions, " AND "),
            (" GROUP BY ", &self.group, ", "),
            (" HAVING ", &self.having, " AND "),
            (" ORDER BY ", &self.order, ", "),
        ] {
            if !parts.is_empty() {
                sql.push_str(word);
                sql.push_str(&parts.join(between));
            }
        }
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        sql
    }
}

struct Writer<'a> {
    form: &'a Form,
    facts: &'a Facts,
    dialect: Dialect,
    joins: Joins,
    hints: &'a [String],
    tape: &'a mut Tape,
}

impl<'a> Writer<'a> {
    fn new(
        form: &'a Form,
        facts: &'a Facts,
        dialect: Dialect,
        hints: &'a [String],
        tape: &'a mut Tape,
    ) -> Option<Self> {
        let columns = form.columns();
        let mut tables: Vec<usize> = form.subject.into_iter().collect();
        let counted = form
            .select
            .iter()
            .chain(form.order.iter().map(|(shown, _)| shown));
        let counted = counted.chain(form.having.iter().map(|having| &having.of));
        let counted: Vec<usize> = counted
            .filter_map(|shown| match shown {
                Shown::Count(table) => *table,
                _ => None,
            })
            .collect();
        tables.extend(columns.iter().map(|at| at.table));
        tables.extend(&form.joined);
        tables.extend(&counted);
        let mut seen = Vec::new();
        tables.retain(|table| {
            !seen.contains(table) && {
                seen.push(*table);
                true
            }
        });
        let mut joins = joins(facts, &tables, hints, tape)?;
        // A table at the end that only its neighbour's key leads to adds no rows and takes none.
        while let Some(last) = joins.steps.iter().rposition(|step| {
            !step.multiplies()
                && form.subject != Some(step.table)
                && !columns.iter().any(|at| at.table == step.table)
                && !joins.steps.iter().any(|other| {
                    other.table != step.table
                        && (other.edge.from.table == step.table
                            || other.edge.to.table == step.table)
                })
        }) {
            joins.steps.remove(last);
        }
        Some(Self {
            form,
            facts,
            dialect,
            joins,
            hints,
            tape,
        })
    }

    fn statement(mut self) -> Option<Written> {
        let form = self.form;
        let select: Option<Vec<String>> =
            form.select.iter().map(|shown| self.shown(shown)).collect();
        let select = select.filter(|select| !select.is_empty())?;
        let mut parts = Parts {
            distinct: form.distinct,
            select: match form.group.first() {
                Some(key) if form.wrapped => vec![self.name(*key)?],
                _ => select,
            },
            from: self.from()?,
            conditions: self.conditions()?,
            group: self.group()?,
            having: self.having()?,
            limit: form.limit,
            ..Parts::default()
        };
        let mut keys = Vec::new();
        for (shown, down) in &form.order {
            let key = self.order_key(shown)?;
            let way = if *down { " DESC" } else { " ASC" };
            parts.order.push(format!("{key}{way}"));
            // What is not known is no first.
            let known = || format!("{key} IS NOT NULL");
            match shown {
                Shown::Column(at) | Shown::Aggregate(_, at)
                    if form.limit.is_none()
                        || self.tested(*at)
                        || !self.missing_first(*at, *down)? => {}
                Shown::Column(_) => parts.conditions.push(known()),
                Shown::Aggregate(..) => parts.having.push(known()),
                Shown::Different(_) | Shown::Count(_) => {}
            }
            keys.push(key);
        }
        let ties = form.limit.filter(|_| !keys.is_empty()).map(|limit| Ties {
            keys: keys.len(),
            shown: limit,
            sql: Parts {
                distinct: parts.distinct,
                select: keys.iter().chain(&parts.select).cloned().collect(),
                from: parts.from.clone(),
                conditions: parts.conditions.clone(),
                group: parts.group.clone(),
                having: parts.having.clone(),
                order: parts.order.clone(),
                limit: Some(limit.saturating_add(1)),
            }
            .sql(),
        });
        let mut sql = parts.sql();
        if form.wrapped {
            sql = format!("SELECT COUNT(*) FROM ({sql}) AS counted");
        }
        Some(Written {
            sql,
            tables: self.joins.steps.len().saturating_add(1),
            ties,
        })
    }

    fn group(&self) -> Option<Vec<String>> {
        if self.form.group.is_empty() {
            return Some(Vec::new());
        }
        let mut keys = self.form.group.clone();
        for shown in &self.form.select {
            if let Shown::Column(at) = shown
                && !keys.contains(at)
            {
                keys.push(*at);
            }
        }
        keys.iter().map(|at| self.name(*at)).collect()
    }

    fn having(&self) -> Option<Vec<String>> {
        let Some(having) = &self.form.having else {
            return Some(Vec::new());
        };
        let of = self.shown(&having.of)?;
        let least = number(having.number);
        Some(vec![match having.to {
            Some(to) => format!("{of} BETWEEN {least} AND {}", number(to)),
            None => format!("{of} {} {least}", having.op.sql()),
        }])
    }

    /// What rows are sorted by.
    fn order_key(&self, shown: &Shown) -> Option<String> {
        match shown {
            Shown::Column(at) => self.measured(*at),
            other => self.shown(other),
        }
    }

    /// Whether rows that have no value come first in an order.
    fn missing_first(&self, at: At, down: bool) -> Option<bool> {
        let first = match self.dialect {
            Dialect::Postgres => down,
            Dialect::Sqlite | Dialect::Mysql => !down,
        };
        let column = self.facts.column(at)?;
        Some(first && (column.nullable || column.holds == Holds::NumberAsText))
    }

    /// Whether only rows are left that have a value: a comparison holds for what is known.
    fn tested(&self, at: At) -> bool {
        let mut filters = self.form.filters.iter();
        filters.any(|any| any.iter().all(|filter| filter.at == at))
    }

    fn several(&self) -> bool {
        !self.joins.steps.is_empty()
    }

    /// A table's name in the statement.
    fn alias(&self, table: usize) -> Option<String> {
        if table == self.joins.first {
            return Some("t1".to_owned());
        }
        let place = self
            .joins
            .steps
            .iter()
            .position(|step| step.table == table)?;
        Some(format!("t{}", place.checked_add(2)?))
    }

    fn name(&self, at: At) -> Option<String> {
        let column = self.dialect.quoted(&self.facts.column(at)?.name);
        if self.several() {
            Some(format!("{}.{column}", self.alias(at.table)?))
        } else {
            (at.table == self.joins.first).then_some(column)
        }
    }

    fn from(&self) -> Option<String> {
        let path = |table: usize| Some(self.dialect.quoted_path(&self.facts.table(table)?.name));
        let first = path(self.joins.first)?;
        if !self.several() {
            return Some(first);
        }
        let mut from = format!("{first} AS t1");
        for step in &self.joins.steps {
            from.push_str(&format!(
                " JOIN {} AS {} ON {} = {}",
                path(step.table)?,
                self.alias(step.table)?,
                self.name(step.edge.from)?,
                self.name(step.edge.to)?,
            ));
        }
        Some(from)
    }

    fn shown(&self, shown: &Shown) -> Option<String> {
        match shown {
            Shown::Column(at) => self.name(*at),
            Shown::Aggregate(function, at) => {
                Some(format!("{}({})", function.sql(), self.measured(*at)?))
            }
            Shown::Different(at) => Some(format!("COUNT(DISTINCT {})", self.name(*at)?)),
            Shown::Count(of) => self.count(*of),
        }
    }

    /// Rows of a table: each once, also where what is joined repeats it.
    fn count(&self, of: Option<usize>) -> Option<String> {
        let table = of.or(self.form.subject)?;
        let grouped = !self.form.group.is_empty();
        let repeated = self.joins.first == table
            && !grouped
            && self.joins.steps.iter().any(|step| step.multiplies());
        match self.facts.key(table) {
            Some(key) if repeated => Some(format!("COUNT(DISTINCT {})", self.name(key)?)),
            _ => Some("COUNT(*)".to_owned()),
        }
    }
}
