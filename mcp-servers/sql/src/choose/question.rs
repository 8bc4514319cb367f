//! What the words of a question say about the statement that answers it.

use std::collections::BTreeSet;

use crate::words::{of_name, singular, squashed};

/// A question, with its words at hand.
pub(super) struct Asking {
    /// Small letters, one space between words and around them.
    text: String,
    /// Its words without their endings.
    pub words: BTreeSet<String>,
    /// All its letters and digits in one.
    pub squashed: String,
    /// Numbers in it, written out or not.
    pub numbers: BTreeSet<String>,
}

const NUMBERS: [(&str, &str); 12] = [
    ("one", "1"),
    ("once", "1"),
    ("two", "2"),
    ("twice", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
];

const LARGEST: [&str; 15] = [
    "most", "highest", "largest", "greatest", "biggest", "maximum", "oldest", "longest", "latest",
    "newest", "heaviest", "tallest", "top", "best", "fastest",
];

const SMALLEST: [&str; 12] = [
    "least", "fewest", "lowest", "smallest", "minimum", "youngest", "shortest", "earliest",
    "lightest", "cheapest", "worst", "slowest",
];

/// Ends of an order that depend on what is ordered: the oldest has the earliest birthday.
const OF_TIME: [&str; 12] = [
    "oldest", "youngest", "earliest", "latest", "newest", "best", "worst", "top", "first", "last",
    "fastest", "slowest",
];

impl Asking {
    pub(super) fn new(question: &str) -> Self {
        let plain = question
            .to_lowercase()
            .replace("n't", " not")
            .replace("n’t", " not");
        let plain = of_name(&plain);
        let named = |word: &String| {
            let known = NUMBERS.iter().find(|(name, _)| name == word);
            match known {
                Some((_, digits)) => Some((*digits).to_owned()),
                None => word
                    .starts_with(|first: char| first.is_ascii_digit())
                    .then(|| word.clone()),
            }
        };
        Self {
            text: format!(" {} ", plain.join(" ")),
            words: plain.iter().map(|word| singular(word)).collect(),
            squashed: squashed(question),
            numbers: plain.iter().filter_map(named).collect(),
        }
    }

    /// Whether any of these words or phrases is in it, as whole words.
    pub(super) fn says(&self, phrases: &[&str]) -> bool {
        phrases
            .iter()
            .any(|phrase| self.text.contains(&format!(" {phrase} ")))
    }

    /// Whether any of these beginnings of words is in it.
    fn hints(&self, beginnings: &[&str]) -> bool {
        beginnings
            .iter()
            .any(|start| self.text.contains(&format!(" {start}")))
    }

    fn begins(&self, phrases: &[&str]) -> bool {
        phrases
            .iter()
            .any(|phrase| self.text.starts_with(&format!(" {phrase} ")))
    }

    /// Whether it asks how many there are of something.
    pub(super) fn counts(&self) -> bool {
        self.says(&[
            "how many",
            "number",
            "numbers",
            "count",
            "counts",
            "total",
            "amount",
            "how often",
            "times",
            "how much",
        ])
    }

    /// Whether one number answers it.
    pub(super) fn asks_one_number(&self) -> bool {
        let begins = self.begins(&[
            "how many",
            "what is the number of",
            "what is the total number of",
            "count",
            "find the number of",
            "give the number of",
            "return the number of",
            "show the number of",
            "what is the average",
        ]);
        let more = [
            "and what",
            "and how",
            "and their",
            "and the",
            "for all",
            "different",
            "group",
        ];
        begins && !self.says_each() && !self.says(&more)
    }

    /// Whether it asks for as many rows as there are things.
    pub(super) fn says_each(&self) -> bool {
        self.says(&["each", "every", "per"])
    }

    /// Whether nothing may come twice.
    pub(super) fn says_different(&self) -> bool {
        let said = ["different", "distinct", "unique", "distinctive", "various"];
        said.iter().any(|word| {
            let word = format!(" {word} ");
            let mut after = self.text.split(word.as_str()).skip(1);
            after.any(|rest| !rest.starts_with("from "))
        })
    }

    /// Whether it asks for an end of an order.
    pub(super) fn says_extreme(&self) -> bool {
        self.says(&LARGEST) || self.says(&SMALLEST) || self.says(&["first", "last"])
    }

    /// Whether several rows may be at the end that is asked for.
    pub(super) fn says_several(&self) -> bool {
        self.says_each()
            || self.says_order()
            || self.says(&[
                "all",
                "list",
                "more than",
                "at least",
                "less than",
                "fewer than",
            ])
            || self.says(&[
                "at most",
                "first name",
                "first names",
                "last name",
                "last names",
            ])
            || self.hints(&["top "])
    }

    /// Whether it asks for an order of rows.
    pub(super) fn says_order(&self) -> bool {
        self.hints(&[
            "order",
            "sort",
            "alphabetic",
            "lexicographic",
            "ascend",
            "descend",
        ]) || self.says(&["ranked", "decreasing", "increasing", "reverse", "reversed"])
            || (self.says(&["from the"]) && self.says(&["to the"]) && self.says_extreme())
    }

    /// Which direction of an order it asks for, where it says: down or not.
    pub(super) fn direction(&self) -> Option<bool> {
        let down = self.hints(&["descend", "decreas", "revers"]);
        let up = self.hints(&["ascend", "increas"]);
        (down != up).then_some(down)
    }

    /// Which end of an order it asks for, where it says and time has no part in it: the top or not.
    pub(super) fn end(&self) -> Option<bool> {
        let (top, bottom) = (self.says(&LARGEST), self.says(&SMALLEST));
        (top != bottom && !self.says(&OF_TIME)).then_some(top)
    }

    /// Whether it asks for what is not so.
    pub(super) fn denies(&self) -> bool {
        self.says(&[
            "not",
            "never",
            "without",
            "no",
            "neither",
            "nor",
            "except",
            "none",
            "excluding",
            "nothing",
            "other than",
            "unable",
            "cannot",
            "but",
        ])
    }

    /// Whether what it denies is a number to be at least or at most.
    pub(super) fn denies_a_number(&self) -> bool {
        self.says(&["no less", "no more", "no fewer", "not less", "not more"])
    }

    /// Whether it asks for a part of a text.
    pub(super) fn asks_part(&self) -> bool {
        self.hints(&["contain", "substring", "prefix", "suffix"])
            || self.says(&[
                "the letter",
                "the word",
                "starts with",
                "start with",
                "ends with",
            ])
            || self.says(&["end with", "begins with", "begin with", "starting with"])
    }

    /// Whether it may ask for a part of a text.
    pub(super) fn may_ask_part(&self) -> bool {
        let more = [
            "includ", "like", "string", "phrase", "having", "start", "begin", "end",
        ];
        self.asks_part() || self.hints(&more) || self.says(&["word", "letter", "has the", "in its"])
    }

    /// Whether it asks for all that is known of something.
    pub(super) fn asks_everything(&self) -> bool {
        self.says(&[
            "everything",
            "all information",
            "all the information",
            "all columns",
        ]) || self.says(&[
            "all details",
            "all the details",
            "full details",
            "complete information",
        ])
    }

    /// Whether it asks for a key by such a name; a number of things is none.
    pub(super) fn asks_key(&self) -> bool {
        let named = ["id", "identifier", "code", "key"];
        let number = ["number", "numbers"].iter().any(|word| {
            let word = format!(" {word} ");
            let mut after = self.text.split(word.as_str()).skip(1);
            after.any(|rest| !rest.starts_with("of "))
        });
        number || named.iter().any(|word| self.words.contains(*word))
    }

    /// Whether it asks for an average.
    pub(super) fn says_average(&self) -> bool {
        self.says(&["average", "averages", "mean", "avg"])
    }

    /// Whether it speaks of what an aggregate does.
    pub(super) fn may_ask_for(&self, aggregate: &str) -> bool {
        match aggregate {
            "max" => {
                self.says(&LARGEST) || self.says(&["last", "max", "recent", "most recent", "high"])
            }
            "min" => self.says(&SMALLEST) || self.says(&["first", "min", "low", "less"]),
            "avg" => self.says_average(),
            "sum" => self.counts() || self.says(&["sum", "all", "overall", "combined"]),
            _ => true,
        }
    }

    /// Whether both of two texts are to hold.
    pub(super) fn joins_by_and(&self, one: &str, other: &str) -> bool {
        let phrase = |text: &str| of_name(text).join(" ");
        let (one, other) = (phrase(one), phrase(other));
        if one.is_empty() || other.is_empty() {
            return false;
        }
        let Some((_, rest)) = self.text.split_once(&format!(" {one} ")) else {
            return false;
        };
        let Some((between, _)) = format!(" {rest}")
            .split_once(&format!(" {other} "))
            .map(|(between, after)| (between.to_owned(), after.to_owned()))
        else {
            return false;
        };
        let between: Vec<&str> = between.split_whitespace().collect();
        between.len() <= 5 && between.contains(&"and")
    }

    /// Comparisons it speaks of.
    pub(super) fn at_least(&self) -> bool {
        self.says(&[
            "at least",
            "no less",
            "or more",
            "no fewer",
            "not less",
            "minimum of",
            "since",
        ]) || self.says(&["or later", "or above", "or higher", "or older"])
    }

    pub(super) fn more_than(&self) -> bool {
        self.says(&[
            "more than",
            "greater",
            "above",
            "over",
            "after",
            "older than",
            "larger than",
        ]) || self.says(&[
            "higher than",
            "exceed",
            "exceeds",
            "exceeding",
            "bigger than",
            "longer than",
        ])
    }

    pub(super) fn at_most(&self) -> bool {
        self.says(&[
            "at most",
            "no more",
            "or less",
            "or fewer",
            "not more",
            "up to",
            "or earlier",
        ]) || self.says(&["or before", "or below"])
    }

    pub(super) fn less_than(&self) -> bool {
        self.says(&[
            "less than",
            "fewer than",
            "lower than",
            "younger than",
            "smaller than",
            "under",
        ]) || self.says(&[
            "lighter than",
            "shorter than",
            "earlier than",
            "below",
            "before",
        ])
    }
}

#[cfg(test)]
mod tests;
