//! A form written down as SQL; `conditions` are what rows must be like.

mod conditions;

use crate::dialect::Dialect;
use crate::parse::facts::Facts;
use crate::parse::form::{At, Form, Shown};
use crate::parse::join::{Joins, joins};
use crate::parse::tape::Tape;
use crate::schema::Holds;

/// Writes a form; `None` where its tables do not hang together or something is missing.
pub(super) fn write(
    form: &Form,
    facts: &Facts,
    dialect: Dialect,
    hints: &[String],
    tape: &mut Tape,
) -> Option<Written> {
    let Some((one, two)) = &form.both else {
        return Writer::new(form, facts, dialect, hints, tape)?.statement();
    };
    let mut halves = Vec::new();
    let mut tables = 0;
    for filter in [one, two] {
        let mut half = form.clone();
        half.both = None;
        half.filters.push(vec![filter.clone()]);
        let written = Writer::new(&half, facts, dialect, hints, tape)?.statement()?;
        tables = written.tables;
        halves.push(written.sql);
    }
    Some(Written {
        sql: halves.join(" INTERSECT "),
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
    /// What shows whether others are as much first as those that are shown.
    pub(super) ties: Option<String>,
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
        // Nothing is taken from the first table but the key that its neighbour tells too.
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
        let select = match form.group.first() {
            Some(key) if form.wrapped => vec![self.name(*key)?],
            _ => select,
        };
        let distinct = if form.distinct { "DISTINCT " } else { "" };
        let mut sql = format!(
            "SELECT {distinct}{} FROM {}",
            select.join(", "),
            self.from()?
        );
        let conditions = self.conditions()?;
        if !conditions.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        if !form.group.is_empty() {
            let mut keys = form.group.clone();
            for shown in &form.select {
                if let Shown::Column(at) = shown
                    && !keys.contains(at)
                {
                    keys.push(*at);
                }
            }
            let keys: Option<Vec<String>> = keys.iter().map(|at| self.name(*at)).collect();
            sql.push_str(" GROUP BY ");
            sql.push_str(&keys?.join(", "));
        }
        if let Some(having) = &form.having {
            let of = self.shown(&having.of)?;
            let number = number(having.number);
            sql.push_str(" HAVING ");
            sql.push_str(&match having.to {
                Some(to) => format!("{of} BETWEEN {number} AND {}", self::number(to)),
                None => format!("{of} {} {number}", having.op.sql()),
            });
        }
        if !form.order.is_empty() {
            let keys: Option<Vec<String>> = form
                .order
                .iter()
                .map(|(shown, down)| {
                    let way = if *down { " DESC" } else { " ASC" };
                    Some(self.shown(shown)? + way)
                })
                .collect();
            sql.push_str(" ORDER BY ");
            sql.push_str(&keys?.join(", "));
        }
        let mut ties = None;
        if let Some(limit) = form.limit {
            if let (Some((first, _)), Some(from)) = (form.order.first(), sql.find(" FROM ")) {
                let key = self.shown(first)?;
                let rest = sql.get(from..)?;
                let more = limit.saturating_add(1);
                ties = Some(format!("SELECT {key}{rest} LIMIT {more}"));
            }
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        if form.wrapped {
            sql = format!("SELECT COUNT(*) FROM ({sql}) AS counted");
        }
        Some(Written {
            sql,
            tables: self.joins.steps.len().saturating_add(1),
            ties,
        })
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

    /// A column as a number, also where a stricter database keeps it as text.
    fn measured(&self, at: At) -> Option<String> {
        let name = self.name(at)?;
        let text = self.facts.column(at)?.holds == Holds::NumberAsText;
        Some(match self.dialect {
            Dialect::Postgres if text => format!("CAST({name} AS NUMERIC)"),
            _ => name,
        })
    }
}

/// A number as it is written in SQL.
fn number(value: f64) -> String {
    value.to_string()
}
