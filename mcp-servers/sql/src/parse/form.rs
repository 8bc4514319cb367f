//! What a question asks for, before it is written as SQL.

/// A column, by the places of its table and of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) table: usize,
    pub(super) column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Average,
    Minimum,
    Maximum,
    Sum,
}

impl Function {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Average => "AVG",
            Self::Minimum => "MIN",
            Self::Maximum => "MAX",
            Self::Sum => "SUM",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    Unequal,
    More,
    AtLeast,
    Less,
    AtMost,
}

impl Op {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
        }
    }

    /// What holds where this does not.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Equal => Self::Unequal,
            Self::Unequal => Self::Equal,
            Self::More => Self::AtMost,
            Self::AtLeast => Self::Less,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::More,
        }
    }

    /// The other way round: "older" for years of birth.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            same => same,
        }
    }
}

/// What is shown or sorted by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shown {
    Column(At),
    Aggregate(Function, At),
    /// Different values of a column.
    Different(At),
    /// Rows of a table; of what is asked about where there is none.
    Count(Option<usize>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Is(Op, Literal),
    Between(f64, f64),
    Like(Like),
    /// Against an aggregate of the same column over all rows.
    Against(Op, Function),
    /// Whether there is a value at all.
    Known,
}

/// A text within others, with anything before it or after it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Like {
    pub(super) before: bool,
    pub(super) text: String,
    pub(super) after: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pub(super) at: At,
    pub(super) not: bool,
    pub(super) test: Test,
}

impl Filter {
    /// Holds where a column has a value.
    pub(super) fn known(at: At) -> Self {
        Self {
            at,
            not: false,
            test: Test::Known,
        }
    }
}

/// Filters of which one holds.
pub(super) type AnyOf = Vec<Filter>;

/// Rows of a table that there must not be for a row of the subject.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Absent {
    pub(super) table: usize,
    pub(super) filters: Vec<AnyOf>,
}

/// The first row of a table in an order, and those that belong to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Top {
    pub(super) by: At,
    pub(super) down: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Having {
    pub(super) of: Shown,
    pub(super) op: Op,
    pub(super) number: f64,
    /// The other end of a range.
    pub(super) to: Option<f64>,
}

/// A question as it is understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Form {
    /// What is asked about.
    pub(super) subject: Option<usize>,
    pub(super) select: Vec<Shown>,
    pub(super) distinct: bool,
    /// Tables that rows must be in, besides those of columns.
    pub(super) joined: Vec<usize>,
    pub(super) filters: Vec<AnyOf>,
    /// Filters of which each holds for some row, not necessarily for the same.
    pub(super) both: Option<(Filter, Filter)>,
    pub(super) absent: Vec<Absent>,
    pub(super) top: Option<Top>,
    pub(super) group: Vec<At>,
    pub(super) having: Option<Having>,
    pub(super) order: Vec<(Shown, bool)>,
    pub(super) limit: Option<u64>,
    /// Whether the groups are counted.
    pub(super) wrapped: bool,
}

impl Form {
    /// The columns that it speaks of outside of what must be absent.
    pub(super) fn columns(&self) -> Vec<At> {
        let mut columns: Vec<At> = self.select.iter().filter_map(Shown::column).collect();
        columns.extend(self.order.iter().filter_map(|(shown, _)| shown.column()));
        columns.extend(self.filters.iter().flatten().map(|filter| filter.at));
        columns.extend(self.both.iter().flat_map(|(one, two)| [one.at, two.at]));
        columns.extend(&self.group);
        columns.extend(self.top.iter().map(|top| top.by));
        columns.extend(self.having.iter().filter_map(|having| having.of.column()));
        columns
    }
}

impl Shown {
    pub(super) fn column(&self) -> Option<At> {
        match self {
            Self::Column(at) | Self::Aggregate(_, at) | Self::Different(at) => Some(*at),
            Self::Count(_) => None,
        }
    }

    /// Whether it is made of many rows.
    pub(super) fn aggregates(&self) -> bool {
        !matches!(self, Self::Column(_))
    }
}

/// Whether a number is as a year is.
pub(super) fn is_year(number: f64) -> bool {
    (1000.0..2200.0).contains(&number) && number.fract() == 0.0
}
