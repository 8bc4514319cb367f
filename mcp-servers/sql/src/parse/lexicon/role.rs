//! What phrases do in a question.

use crate::parse::form::{Function, Op};

/// What a phrase does in a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::parse) enum Role {
    /// Asks for what follows: "show", "what is".
    Ask,
    /// Asks for one of what follows: "which".
    Which,
    HowMany,
    NumberOf,
    Function(Function),
    Distinct,
    /// "for each", "per".
    Each,
    /// "all", "every": said of what is shown anyway.
    All,
    OrderBy,
    /// The way of an order: down.
    Way(bool),
    /// "alphabetically".
    Alphabetical,
    Compare(Op),
    /// After a number: "or more".
    After(Op),
    Between,
    /// A comparison and what is compared.
    Than(Op, Measure),
    /// The first in an order: down, and by what where the word tells.
    Extreme(bool, Option<Measure>),
    /// "most", "fewest": by a column or by how many.
    Most(bool),
    /// "most common".
    Commonest(bool),
    Top,
    Not,
    Without,
    And,
    Or,
    Comma,
    But,
    Both,
    Either,
    Contains,
    Starts,
    Ends,
    Of,
    For,
    With,
    In,
    By,
    From,
    /// "who", "that".
    Relative,
    Whose,
    Called,
    Be,
    Have,
    Do,
    /// All columns.
    Everything,
    /// "weighing": a column before what is said of it.
    Measuring(Measure),
    /// Says nothing of its own.
    Filler,
    /// "some", "any".
    Some,
    /// A verb that only says that things belong together.
    Verb,
    Aged,
    /// "than", on its own.
    Bare,
    /// "how old", "where is".
    Amount(Measure),
    /// The end of a sentence.
    Stop,
    /// "they", "each one".
    It,
    /// What this parser does not read: the question is left to others.
    Beyond,
}

/// What adjectives measure: stems of columns' names, the likeliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse) enum Measure {
    Age,
    Weight,
    Height,
    Length,
    Price,
    Size,
    Time,
    Speed,
    Place,
}

impl Measure {
    pub(in crate::parse) fn stems(self) -> &'static [&'static str] {
        match self {
            Self::Age => &["age", "birth", "birthday"],
            Self::Weight => &["weight"],
            Self::Height => &["height", "altitud", "elev"],
            Self::Length => &["length", "durat", "distanc", "height"],
            Self::Price => &["price", "cost", "fee"],
            Self::Size => &["size", "area", "capac", "popul", "surfac"],
            Self::Time => &["year", "date", "time"],
            Self::Speed => &["speed"],
            Self::Place => &["locat", "place", "hometown", "citi", "address", "countri"],
        }
    }

    /// Whether more of it is less of this column: who was born earlier is older.
    pub(in crate::parse) fn turned(self, stem: &str) -> bool {
        self == Self::Age && stem != "age"
    }
}

impl Role {
    /// A role by its name in the list of phrases.
    pub(in crate::parse) fn named(name: &str) -> Option<Self> {
        let words: Vec<&str> = name.split_whitespace().collect();
        Some(match words.as_slice() {
            ["ask"] => Self::Ask,
            ["which"] => Self::Which,
            ["how", "many"] => Self::HowMany,
            ["number", "of"] => Self::NumberOf,
            ["function", function] => Self::Function(self::function(function)?),
            ["distinct"] => Self::Distinct,
            ["each"] => Self::Each,
            ["all"] => Self::All,
            ["order", "by"] => Self::OrderBy,
            ["way", way] => Self::Way(down(way)?),
            ["alphabetical"] => Self::Alphabetical,
            ["compare", op] => Self::Compare(self::op(op)?),
            ["after", op] => Self::After(self::op(op)?),
            ["between"] => Self::Between,
            ["than", op, measure] => Self::Than(self::op(op)?, Measure::named(measure)?),
            ["extreme", way] => Self::Extreme(down(way)?, None),
            ["extreme", way, measure] => Self::Extreme(down(way)?, Some(Measure::named(measure)?)),
            ["most", way] => Self::Most(down(way)?),
            ["commonest", way] => Self::Commonest(down(way)?),
            ["top"] => Self::Top,
            ["not"] => Self::Not,
            ["without"] => Self::Without,
            ["and"] => Self::And,
            ["or"] => Self::Or,
            ["comma"] => Self::Comma,
            ["but"] => Self::But,
            ["both"] => Self::Both,
            ["either"] => Self::Either,
            ["contains"] => Self::Contains,
            ["starts"] => Self::Starts,
            ["ends"] => Self::Ends,
            ["of"] => Self::Of,
            ["for"] => Self::For,
            ["with"] => Self::With,
            ["in"] => Self::In,
            ["by"] => Self::By,
            ["from"] => Self::From,
            ["relative"] => Self::Relative,
            ["whose"] => Self::Whose,
            ["called"] => Self::Called,
            ["be"] => Self::Be,
            ["have"] => Self::Have,
            ["do"] => Self::Do,
            ["everything"] => Self::Everything,
            ["measuring", measure] => Self::Measuring(Measure::named(measure)?),
            ["filler"] => Self::Filler,
            ["some"] => Self::Some,
            ["verb"] => Self::Verb,
            ["aged"] => Self::Aged,
            ["bare"] => Self::Bare,
            ["amount", measure] => Self::Amount(Measure::named(measure)?),
            ["stop"] => Self::Stop,
            ["it"] => Self::It,
            ["beyond"] => Self::Beyond,
            _ => return None,
        })
    }
}

impl Measure {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "age" => Self::Age,
            "weight" => Self::Weight,
            "height" => Self::Height,
            "length" => Self::Length,
            "price" => Self::Price,
            "size" => Self::Size,
            "time" => Self::Time,
            "speed" => Self::Speed,
            "place" => Self::Place,
            _ => return None,
        })
    }
}

fn function(name: &str) -> Option<Function> {
    Some(match name {
        "average" => Function::Average,
        "minimum" => Function::Minimum,
        "maximum" => Function::Maximum,
        "sum" => Function::Sum,
        _ => return None,
    })
}

fn op(name: &str) -> Option<Op> {
    Some(match name {
        ">" => Op::More,
        ">=" => Op::AtLeast,
        "<" => Op::Less,
        "<=" => Op::AtMost,
        "=" => Op::Equal,
        _ => return None,
    })
}

fn down(way: &str) -> Option<bool> {
    match way {
        "down" => Some(true),
        "up" => Some(false),
        _ => None,
    }
}
