//! Comparisons with numbers: "older than 20", "between 5 and 10", "above the average".

use crate::parse::chunks::What;
use crate::parse::form::{At, Filter, Function, Literal, Op, Test};
use crate::parse::lexicon::{Measure, Role};
use crate::parse::link::Link;
use crate::parse::read::{Counted, Reader, price};
use crate::schema::Holds;

/// Costs more where a column holds no numbers.
fn numbers(holds: Holds) -> f32 {
    match holds {
        Holds::Number | Holds::NumberAsText => 0.0,
        Holds::Date => 0.3,
        Holds::Text | Holds::Truth | Holds::Other => 1.5,
    }
}

impl Reader<'_> {
    /// After a comparison: what with. `column` is given where it is known already.
    pub(super) fn comparison(&mut self, op: Op, given: Option<(At, bool)>) {
        let negated = std::mem::take(&mut self.negated);
        let mut op = if negated { op.not() } else { op };
        if let Some((_, true)) = given {
            op = op.turned();
        }
        self.skip(&[Role::Filler, Role::Bare, Role::Of, Role::Be, Role::In]);
        match self.peek() {
            Some(What::Number(number)) => {
                let number = *number;
                self.step();
                self.number(op, number, given.map(|(at, _)| at));
            }
            Some(What::Role(Role::Function(function))) => {
                let function = *function;
                self.step();
                self.against(op, function, given.map(|(at, _)| at));
            }
            Some(What::Role(Role::All)) | Some(What::Role(Role::Some)) => {
                self.doubt(
                    price::BEYOND,
                    "a comparison with rows is beyond this parser".to_owned(),
                );
            }
            Some(What::Mention(link))
                if matches!(
                    self.ahead(1),
                    Some(What::Number(_) | What::Role(Role::Bare))
                ) =>
            {
                // "above age 20".
                let text = self.text();
                let link = link.clone();
                self.step();
                self.skip(&[Role::Bare, Role::Filler]);
                let at = self.column(&link, numbers);
                self.note(&text, "what is compared");
                match self.peek() {
                    Some(What::Number(number)) => {
                        let number = *number;
                        self.step();
                        self.number(op, number, at);
                    }
                    Some(What::Role(Role::Function(function))) => {
                        let function = *function;
                        self.step();
                        self.against(op, function, at);
                    }
                    _ => self.doubt(
                        price::ODD * 2.0,
                        "a comparison is not understood".to_owned(),
                    ),
                }
            }
            Some(What::Quoted(text)) => {
                let text = text.clone();
                self.step();
                let at = given
                    .map(|(at, _)| at)
                    .or_else(|| self.pending_column(|_| 0.0))
                    .or_else(|| self.measured(Measure::Time, None).map(|(at, _)| at));
                match at {
                    Some(at) => self.filter(vec![Filter {
                        at,
                        not: false,
                        test: Test::Is(op, Literal::Text(text)),
                    }]),
                    None => self.doubt(
                        price::ODD,
                        format!("it is not said what “{text}” is compared with"),
                    ),
                }
            }
            Some(What::Role(Role::Be | Role::Comma | Role::And)) | None => {
                self.doubt(price::ODD, "it is not said what is compared".to_owned());
            }
            _ => self.doubt(
                price::ODD * 2.0,
                "a comparison is not understood".to_owned(),
            ),
        }
    }

    /// The column of which something is about to be said.
    pub(super) fn pending_column(&mut self, wanted: impl Fn(Holds) -> f32) -> Option<At> {
        let (link, text) = self.pending.take()?;
        let at = self.column(&link, wanted)?;
        let name = self.column_name(at);
        let key = self
            .facts
            .column(at)
            .is_some_and(|column| column.key || column.foreign);
        let lower = text.to_lowercase();
        let said = ["id", "code", "number", "key"]
            .iter()
            .any(|word| lower.contains(word));
        if key && !said {
            self.doubt(price::ODD, format!("“{text}”: {name} is a key"));
        }
        self.note(&text, &name);
        Some(at)
    }

    /// A number that something is compared with.
    pub(super) fn number(&mut self, op: Op, number: f64, given: Option<At>) {
        let (mut op, mut to) = (op, None);
        // "after 2013 or before 2008".
        let other = match (self.role(), self.ahead(1)) {
            (Some(Role::After(after)), Some(What::Number(other))) => Some((after, *other)),
            _ => None,
        };
        if let Some((after, second)) = other {
            self.step();
            self.step();
            let strict = if after == Op::AtLeast {
                Op::More
            } else {
                Op::Less
            };
            self.number(op, number, given);
            if let Some(at) = self.compared {
                self.or = true;
                self.filter(vec![compare(at, strict, second)]);
            }
            return;
        }
        if let Some(Role::After(after)) = self.role() {
            op = after;
            self.step();
        }
        if let Some(at) = given.or_else(|| self.pending_column(numbers)) {
            self.years_old();
            let mut any = vec![compare(at, op, number)];
            while self.role() == Some(Role::Or) || self.role() == Some(Role::And) && self.wants_both
            {
                let Some(What::Number(other)) = self.ahead(1) else {
                    break;
                };
                if self.role() == Some(Role::And) {
                    self.filter(std::mem::take(&mut any));
                }
                any.push(compare(at, op, *other));
                self.step();
                self.step();
            }
            if !any.is_empty() {
                self.filter(any);
            }
            return;
        }
        if self.years_old() {
            match self.measured(Measure::Age, self.focus) {
                Some((at, turned)) => {
                    let op = if turned { op.turned() } else { op };
                    self.filter(vec![compare(at, op, number)]);
                }
                None => self.doubt(price::ODD, "nothing here has an age".to_owned()),
            }
            return;
        }
        // "3 to 5", "1 or 2".
        if self.role() == Some(Role::In)
            && self.text() == "to"
            && let Some(What::Number(end)) = self.ahead(1)
        {
            to = Some(*end);
            self.step();
            self.step();
        }
        let mut others = Vec::new();
        while self.role() == Some(Role::Or) {
            let Some(What::Number(other)) = self.ahead(1) else {
                break;
            };
            others.push(*other);
            self.step();
            self.step();
        }
        let by = self.past_small(0);
        if let Some(What::Mention(link)) = self.ahead(by) {
            let mut link = link.clone();
            self.at = self.at.saturating_add(by);
            let mut text = self.text();
            self.step();
            self.compound(&mut link, &mut text);
            if let Some(column) = self.numeric(&link) {
                self.note(&text, "what is compared");
                match to {
                    Some(to) => self.filter(vec![Filter {
                        at: column,
                        not: false,
                        test: Test::Between(number, to),
                    }]),
                    None => {
                        let mut any = vec![compare(column, op, number)];
                        any.extend(others.iter().map(|other| compare(column, op, *other)));
                        self.filter(any);
                    }
                }
                return;
            }
            // "the names of the 3 books with": as many as are shown.
            let shown = op == Op::Equal
                && to.is_none()
                && matches!(self.preposition, Some(Role::Of | Role::For));
            if shown && !self.told && link.table_score() > 0.3 && others.is_empty() {
                self.limited(number);
                if let Some(table) = self.table_of(&link) {
                    self.enter(table);
                }
                return;
            }
            if link.table_score() > 0.3
                && let Some(table) = self.table_of(&link)
            {
                self.count_compared(
                    Counted {
                        table: Some(table),
                        column: None,
                    },
                    op,
                    number,
                    to,
                );
                return;
            }
            self.doubt(price::ODD, format!("“{text}” is not compared with numbers"));
            return;
        }
        if self.items.is_empty()
            && self.subject().is_none()
            && self.focus.is_none()
            && to.is_none()
            && others.is_empty()
        {
            self.early.push((op, number));
            return;
        }
        if is_year(number)
            && let Some((at, _)) = self.measured(Measure::Time, self.focus.or(self.subject()))
        {
            let mut any = vec![compare(at, op, number)];
            any.extend(others.iter().map(|other| compare(at, op, *other)));
            while self.role() == Some(Role::And) && self.wants_both {
                let Some(What::Number(other)) = self.ahead(1) else {
                    break;
                };
                self.filter(std::mem::take(&mut any));
                any.push(compare(at, op, *other));
                self.step();
                self.step();
            }
            self.note(&number.to_string(), "a year");
            self.filter(any);
            return;
        }
        if self.higher
            && let Some((at, _)) = self.measured(Measure::Height, self.focus)
        {
            self.filter(vec![compare(at, op, number)]);
            return;
        }
        // "no less than 3 and no more than 4": of the same column.
        if let Some(at) = self.compared.filter(|at| {
            self.facts
                .column(*at)
                .is_some_and(|column| column.holds.numeric())
        }) {
            self.tape.pay(price::BESIDE);
            self.filter(vec![compare(at, op, number)]);
            return;
        }
        self.doubt(
            price::ODD * 1.5,
            format!("it is not clear what {number} is"),
        );
    }

    /// A column of numbers that words mean, where they mean one rather than a table.
    fn numeric(&mut self, link: &Link) -> Option<At> {
        let mut numeric = link.clone();
        numeric.columns.retain(|(at, _)| {
            self.facts
                .column(*at)
                .is_some_and(|column| column.holds.numeric() && !column.key && !column.foreign)
        });
        let near = numeric
            .columns
            .iter()
            .any(|(at, score)| *score > link.table_score() - 0.1 && self.distance(at.table) <= 0.7);
        (near || link.tables.is_empty())
            .then(|| self.column(&numeric, numbers))
            .flatten()
    }

    fn count_compared(&mut self, counted: Counted, op: Op, number: f64, to: Option<f64>) {
        if let Some(table) = counted.table {
            self.mentioned.insert(table);
            if self.subject().is_none() {
                self.read.form.subject = None;
            }
            self.focus = Some(table);
        }
        self.told = true;
        if self.having.is_some() {
            self.doubt(price::BEYOND, "there are two counts".to_owned());
        }
        self.having = Some((counted, op, number, to));
    }

    fn years_old(&mut self) -> bool {
        if self.role() == Some(Role::Aged) {
            self.step();
            return true;
        }
        false
    }

    /// "above the average", "more than the minimum".
    fn against(&mut self, op: Op, function: Function, given: Option<At>) {
        self.skip(&[Role::Filler, Role::Of]);
        let mut at = given.or_else(|| self.pending_column(numbers));
        if let Some(What::Mention(link)) = self.peek() {
            let link = link.clone();
            if link.column_score() > 0.3 {
                self.step();
                let named = self.column(&link, numbers);
                if at.is_some() && at != named {
                    self.doubt(price::ODD, "two columns are compared".to_owned());
                }
                at = at.or(named);
            }
        }
        match at {
            Some(at) => self.filter(vec![Filter {
                at,
                not: false,
                test: Test::Against(op, function),
            }]),
            None => self.doubt(
                price::ODD * 1.5,
                "it is not said of what the average is".to_owned(),
            ),
        }
    }

    /// "between 5 and 10".
    pub(super) fn between(&mut self) {
        let (
            Some(What::Number(from)),
            Some(What::Role(Role::And | Role::In)),
            Some(What::Number(to)),
        ) = (self.ahead(0), self.ahead(1), self.ahead(2))
        else {
            self.doubt(price::ODD, "a range is not understood".to_owned());
            return;
        };
        let (from, to) = (*from, *to);
        self.at = self.at.saturating_add(3);
        let not = std::mem::take(&mut self.negated);
        let test = Test::Between(from, to);
        if let Some(at) = self.pending_column(numbers) {
            self.filter(vec![Filter { at, not, test }]);
            return;
        }
        let by = self.past_small(0);
        if let Some(What::Mention(link)) = self.ahead(by) {
            let link = link.clone();
            self.at = self.at.saturating_add(by).saturating_add(1);
            if let Some(at) = self.numeric(&link) {
                self.filter(vec![Filter { at, not, test }]);
            } else if let Some(table) = self.table_of(&link) {
                self.count_compared(
                    Counted {
                        table: Some(table),
                        column: None,
                    },
                    Op::AtLeast,
                    from,
                    Some(to),
                );
            }
        } else if is_year(from)
            && let Some((at, _)) = self.measured(Measure::Time, self.focus)
        {
            self.filter(vec![Filter { at, not, test }]);
        } else {
            self.doubt(price::ODD, "it is not said what is between".to_owned());
        }
    }
}

fn compare(at: At, op: Op, number: f64) -> Filter {
    Filter {
        at,
        not: false,
        test: Test::Is(op, Literal::Number(number)),
    }
}

fn is_year(number: f64) -> bool {
    (1000.0..2200.0).contains(&number) && number.fract() == 0.0
}
