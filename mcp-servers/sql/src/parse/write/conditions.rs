//! Conditions: filters, rows that must be absent, rows of the first one in an order.

use crate::dialect::Dialect;
use crate::parse::form::{Absent, AnyOf, At, Filter, Form, Literal, Op, Shown, Test, Top};
use crate::parse::join::joins;
use crate::parse::write::{Writer, number};
use crate::schema::Holds;

impl Writer<'_> {
    pub(super) fn conditions(&mut self) -> Option<Vec<String>> {
        let form = self.form;
        let mut conditions: Vec<String> = form
            .filters
            .iter()
            .map(|any| self.any_of(any))
            .collect::<Option<_>>()?;
        for absent in &form.absent {
            conditions.push(self.absent(absent)?);
        }
        if let Some(top) = &form.top {
            conditions.push(self.top(top)?);
        }
        Some(conditions)
    }

    fn any_of(&self, any: &AnyOf) -> Option<String> {
        let parts: Option<Vec<String>> = any.iter().map(|filter| self.filter(filter)).collect();
        let parts = parts?;
        match parts.as_slice() {
            [only] => Some(only.clone()),
            _ => Some(format!("({})", parts.join(" OR "))),
        }
    }

    fn filter(&self, filter: &Filter) -> Option<String> {
        let name = self.name(filter.at)?;
        let holds = self.facts.column(filter.at)?.holds;
        let not = if filter.not { "NOT " } else { "" };
        let like = match self.dialect {
            // The others make no difference between capitals there.
            Dialect::Postgres => "ILIKE",
            Dialect::Sqlite | Dialect::Mysql => "LIKE",
        };
        Some(match &filter.test {
            Test::Is(op, literal) => {
                let op = if filter.not { op.not() } else { *op };
                let (left, right) = match literal {
                    Literal::Text(text) => (name, self.dialect.literal(text)),
                    Literal::Number(value) => self.numbers(filter.at, name, holds, op, *value)?,
                };
                format!("{left} {} {right}", op.sql())
            }
            Test::Between(from, to) => {
                let name = match holds {
                    Holds::Date if is_year(*from) && is_year(*to) => self.year(&name),
                    _ => self.measured(filter.at)?,
                };
                format!("{name} {not}BETWEEN {} AND {}", number(*from), number(*to))
            }
            Test::Like(pattern) => format!("{name} {not}{like} {}", self.dialect.literal(pattern)),
            Test::Against(op, function) => {
                let op = if filter.not { op.not() } else { *op };
                let facts = self.facts.table(filter.at.table)?;
                let column = self.dialect.quoted(&self.facts.column(filter.at)?.name);
                let table = self.dialect.quoted_path(&facts.name);
                format!(
                    "{name} {} (SELECT {}({column}) FROM {table})",
                    op.sql(),
                    function.sql()
                )
            }
        })
    }

    /// Both sides of a comparison of a column with a number, by what the column holds.
    fn numbers(
        &self,
        at: At,
        name: String,
        holds: Holds,
        op: Op,
        value: f64,
    ) -> Option<(String, String)> {
        let equal = matches!(op, Op::Equal | Op::Unequal);
        Some(match holds {
            Holds::Date if is_year(value) => (self.year(&name), number(value)),
            Holds::Text | Holds::Truth | Holds::Other => (name, format!("'{}'", number(value))),
            Holds::NumberAsText if equal => (name, format!("'{}'", number(value))),
            Holds::Date | Holds::Number | Holds::NumberAsText => {
                (self.measured(at)?, number(value))
            }
        })
    }

    /// The year of a date. SQLite keeps dates as texts with the year in front.
    fn year(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("CAST(SUBSTR({name}, 1, 4) AS INTEGER)"),
            Dialect::Postgres | Dialect::Mysql => format!("EXTRACT(YEAR FROM {name})"),
        }
    }

    /// Subjects that no row of another table belongs to.
    fn absent(&mut self, absent: &Absent) -> Option<String> {
        let subject = self.form.subject?;
        let inner = Form {
            subject: Some(absent.table),
            select: Vec::new(),
            filters: absent.filters.clone(),
            joined: vec![subject],
            ..Form::default()
        };
        // The way from what is absent back to the subject: its last step tells the subject's key.
        let tables = [
            vec![subject, absent.table],
            inner.columns().iter().map(|at| at.table).collect(),
        ]
        .concat();
        let way = joins(self.facts, &tables, self.hints, self.tape)?;
        let edge = way.steps.first()?.edge;
        let (own, told) = if edge.to.table == subject {
            (edge.to, edge.from)
        } else {
            (edge.from, edge.to)
        };
        let select = Form {
            subject: Some(told.table),
            select: vec![Shown::Column(told)],
            filters: absent.filters.clone(),
            joined: vec![absent.table],
            ..Form::default()
        };
        let written =
            Writer::new(&select, self.facts, self.dialect, self.hints, self.tape)?.statement()?;
        let told_column = self.facts.column(told)?;
        // With a key that may be missing, NOT IN would be unknown for every row.
        let mut sql = written.sql;
        if !told_column.key {
            let several = sql.contains(" AS t1 ");
            let name = self.dialect.quoted(&told_column.name);
            let name = if several { format!("t1.{name}") } else { name };
            let joiner = if absent.filters.is_empty() {
                "WHERE"
            } else {
                "AND"
            };
            sql = format!("{sql} {joiner} {name} IS NOT NULL");
        }
        Some(format!("{} NOT IN ({sql})", self.name(own)?))
    }

    /// Rows that belong to the first one of another table.
    fn top(&self, top: &Top) -> Option<String> {
        let facts = self.facts.table(top.by.table)?;
        let key = self.facts.key(top.by.table)?;
        let quoted = |at: At| Some(self.dialect.quoted(&self.facts.column(at)?.name));
        let way = if top.down { "DESC" } else { "ASC" };
        Some(format!(
            "{} = (SELECT {} FROM {} ORDER BY {} {way} LIMIT 1)",
            self.name(key)?,
            quoted(key)?,
            self.dialect.quoted_path(&facts.name),
            quoted(top.by)?,
        ))
    }
}

fn is_year(value: f64) -> bool {
    (1000.0..2200.0).contains(&value) && value.fract() == 0.0
}
