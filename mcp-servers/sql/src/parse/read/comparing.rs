//! Comparisons with numbers: "older than 20", "between 5 and 10", "above the average".

use crate::parse::chunks::What;
use crate::parse::form::{At, Filter, Function, Literal, Op, Test, is_year};
use crate::parse::lexicon::{Measure, Role};
use crate::parse::read::{Counted, Reader, price};
use crate::schema::Holds;

/// Costs more where a column holds no numbers.
pub(super) fn numbers(holds: Holds) -> f32 {
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
