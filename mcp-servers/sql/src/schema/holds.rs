//! What a column holds, as far as the name of its type and a few of its values tell.
//!
//! Types are told by the words of their names and not by parts of words: `point` and `interval`
//! are no numbers, though an `int` is in them.

use super::Column;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    /// Texts most of which are numbers: years, codes.
    NumberAsText,
    Number,
    /// Dates, times, or both.
    Date,
    /// Yes and no.
    Truth,
    /// What no question names: bytes, documents, shapes.
    Other,
}

impl Holds {
    /// Whether its values are texts, which can be searched.
    pub(crate) fn texts(self) -> bool {
        matches!(self, Self::Text | Self::NumberAsText)
    }

    /// Whether its values can be added up.
    pub(crate) fn numeric(self) -> bool {
        matches!(self, Self::Number | Self::NumberAsText)
    }

    /// Whether its values are in no order that a question asks for: no numbers and no dates.
    pub(crate) fn neither(self) -> bool {
        matches!(self, Self::Text | Self::Truth | Self::Other)
    }
}

const NUMBERS: &[&str] = &[
    "int",
    "integer",
    "tinyint",
    "smallint",
    "mediumint",
    "bigint",
    "uint",
    "hugeint",
    "long",
    "short",
    "serial",
    "smallserial",
    "bigserial",
    "real",
    "float",
    "double",
    "decimal",
    "dec",
    "numeric",
    "number",
    "num",
    "fixed",
    "money",
    "smallmoney",
    "currency",
    "year",
    "oid",
];

const DATES: &[&str] = &[
    "date",
    "time",
    "datetime",
    "smalldatetime",
    "timestamp",
    "timestamptz",
    "timetz",
];

const TRUTHS: &[&str] = &["bool", "boolean", "bit", "logical"];

const OTHERS: &[&str] = &[
    "blob",
    "tinyblob",
    "mediumblob",
    "longblob",
    "bytea",
    "bytes",
    "binary",
    "varbinary",
    "image",
    "json",
    "jsonb",
    "xml",
    "uuid",
    "uniqueidentifier",
    "interval",
    "geometry",
    "geography",
    "geometrycollection",
    "point",
    "multipoint",
    "line",
    "lseg",
    "linestring",
    "multilinestring",
    "box",
    "path",
    "polygon",
    "multipolygon",
    "circle",
    "vector",
    "tsvector",
    "tsquery",
    "hstore",
    "inet",
    "cidr",
    "macaddr",
    "array",
    "list",
    "map",
    "struct",
];

impl Column {
    /// What it holds. A type that is not known, as people make them, is of texts.
    pub(crate) fn holds(&self) -> Holds {
        // What is in brackets are lengths, and the values of an enumeration.
        let kind = self.kind.split('(').next().unwrap_or_default();
        if kind.contains('[') {
            return Holds::Other;
        }
        let kind = kind.to_lowercase();
        let words = kind.split(|c: char| !c.is_alphanumeric());
        let known = words
            // `int4`, `varchar2`.
            .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
            .find_map(|word| {
                let is = |names: &[&str]| names.contains(&word);
                if is(OTHERS) || word.ends_with("range") {
                    Some(Holds::Other)
                } else if is(DATES) {
                    Some(Holds::Date)
                } else if is(TRUTHS) {
                    Some(Holds::Truth)
                } else {
                    is(NUMBERS).then_some(Holds::Number)
                }
            });
        match known {
            Some(known) => known,
            None if self.samples_are_numbers() => Holds::NumberAsText,
            None => Holds::Text,
        }
    }

    /// Whether most of its samples are numbers. Here and there a word stands for "unknown".
    fn samples_are_numbers(&self) -> bool {
        let number = |sample: &&String| {
            let sample = sample.trim();
            sample.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                && sample.parse::<f64>().is_ok()
        };
        let numbers = self.samples.iter().filter(number).count();
        numbers > 0 && numbers.saturating_mul(2) >= self.samples.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Holds;
    use crate::schema::Column;

    fn holds(kind: &str, samples: &[&str]) -> Holds {
        let column = Column {
            name: "it".to_owned(),
            kind: kind.to_owned(),
            nullable: true,
            comment: None,
            samples: samples.iter().map(|sample| (*sample).to_owned()).collect(),
        };
        column.holds()
    }

    #[test]
    fn types_of_every_database_are_told_by_their_words() {
        for (kind, expected) in [
            ("INTEGER", Holds::Number),
            ("int(11) unsigned", Holds::Number),
            ("int4", Holds::Number),
            ("UNSIGNED BIG INT", Holds::Number),
            ("double precision", Holds::Number),
            ("numeric(10,2)", Holds::Number),
            ("year", Holds::Number),
            ("character varying(20)", Holds::Text),
            ("VARCHAR(255)", Holds::Text),
            ("nvarchar2(40)", Holds::Text),
            ("enum('date','int')", Holds::Text),
            ("mood", Holds::Text),
            ("", Holds::Text),
            ("timestamp without time zone", Holds::Date),
            ("DATETIME", Holds::Date),
            ("tinyint(1)", Holds::Number),
            ("boolean", Holds::Truth),
            ("point", Holds::Other),
            ("interval", Holds::Other),
            ("int4range", Holds::Other),
            ("text[]", Holds::Other),
            ("bytea", Holds::Other),
            ("jsonb", Holds::Other),
        ] {
            assert_eq!(holds(kind, &[]), expected, "{kind}");
        }
    }

    #[test]
    fn samples_tell_numbers_that_are_kept_as_texts() {
        assert_eq!(holds("text", &["2013", "2014", "?"]), Holds::NumberAsText);
        assert_eq!(holds("text", &["a", "b", "3"]), Holds::Text);
        assert_eq!(holds("", &["-1.5"]), Holds::NumberAsText);
        // Words, though they can be read as numbers.
        assert_eq!(holds("text", &["inf", "nan"]), Holds::Text);
        assert_eq!(holds("date", &["2013"]), Holds::Date);
    }
}
