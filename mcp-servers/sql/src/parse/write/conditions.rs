//! Conditions: filters, rows that must be absent, rows of the first one in an order.

use crate::dialect::Dialect;
use crate::parse::form::{
    Absent, AnyOf, At, Filter, Form, Like, Literal, Shown, Test, Top, is_year,
};
use crate::parse::join::joins;
use crate::parse::write::Writer;
use crate::parse::write::numbers::number;
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
        Some(match &filter.test {
            Test::Is(op, literal) => {
                let op = if filter.not { op.not() } else { *op };
                let (left, right) = match literal {
                    Literal::Text(text) => (name, self.dialect.literal(text)),
                    Literal::Number(value) => self.compared(filter.at, op, *value)?,
                };
                format!("{left} {} {right}", op.sql())
            }
            Test::Between(from, to) => {
                let name = match holds {
                    Holds::Date if is_year(*from) && is_year(*to) => self.year(&name),
                    _ => self.as_number(name, holds),
                };
                format!("{name} {not}BETWEEN {} AND {}", number(*from), number(*to))
            }
            Test::Like(like) => format!("{name} {not}{}", self.like(like)),
            Test::Against(op, function) => {
                let op = if filter.not { op.not() } else { *op };
                let facts = self.facts.table(filter.at.table)?;
                let column = self.dialect.quoted(&self.facts.column(filter.at)?.name);
                format!(
                    "{} {} (SELECT {}({}) FROM {})",
                    self.as_number(name, holds),
                    op.sql(),
                    function.sql(),
                    self.as_number(column, holds),
                    self.dialect.quoted_path(&facts.name)
                )
            }
            Test::Known => format!("{name} IS {}NULL", if filter.not { "" } else { "NOT " }),
        })
    }

    /// What comes after a column that is searched for a part.
    fn like(&self, like: &Like) -> String {
        let word = match self.dialect {
            // The others make no difference between capitals there.
            Dialect::Postgres => "ILIKE",
            Dialect::Sqlite | Dialect::Mysql => "LIKE",
        };
        let (before, after) = (
            if like.before { "%" } else { "" },
            if like.after { "%" } else { "" },
        );
        if !like.text.contains(['%', '_', '\\']) {
            let pattern = format!("{before}{}{after}", like.text);
            return format!("{word} {}", self.dialect.literal(&pattern));
        }
        // A mark of our own, since a backslash is one in some databases only.
        let mut text = String::new();
        for c in like.text.chars() {
            if matches!(c, '%' | '_' | '!') {
                text.push('!');
            }
            text.push(c);
        }
        let pattern = self.dialect.literal(&format!("{before}{text}{after}"));
        format!("{word} {pattern} ESCAPE '!'")
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
        let mut filters = absent.filters.clone();
        // With a key that may be missing, NOT IN would be unknown for every row.
        if self.facts.column(told)?.nullable {
            filters.push(vec![Filter::known(told)]);
        }
        let select = Form {
            subject: Some(told.table),
            select: vec![Shown::Column(told)],
            filters,
            joined: vec![absent.table],
            ..Form::default()
        };
        let written =
            Writer::new(&select, self.facts, self.dialect, self.hints, self.tape)?.statement()?;
        let name = self.name(own)?;
        let absent = format!("{name} NOT IN ({})", written.sql);
        // Nothing belongs to a row that tells no key.
        Some(if self.facts.column(own)?.nullable {
            format!("({name} IS NULL OR {absent})")
        } else {
            absent
        })
    }

    /// Rows that belong to the first one of another table.
    fn top(&self, top: &Top) -> Option<String> {
        let facts = self.facts.table(top.by.table)?;
        let key = self.facts.key(top.by.table)?;
        let quoted = |at: At| Some(self.dialect.quoted(&self.facts.column(at)?.name));
        let by = self.as_number(quoted(top.by)?, self.facts.column(top.by)?.holds);
        let known = if self.missing_first(top.by, top.down)? {
            format!(" WHERE {by} IS NOT NULL")
        } else {
            String::new()
        };
        Some(format!(
            "{} = (SELECT {} FROM {}{known} ORDER BY {by} {} LIMIT 1)",
            self.name(key)?,
            quoted(key)?,
            self.dialect.quoted_path(&facts.name),
            if top.down { "DESC" } else { "ASC" },
        ))
    }
}
