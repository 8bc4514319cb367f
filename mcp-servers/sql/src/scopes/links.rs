//! How tables hang together: by their foreign keys, and where none are declared by their names.

use std::collections::{BTreeMap, VecDeque};

use crate::endings::words;
use crate::schema::{Schema, Table};

/// A column whose values are keys of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The table with the column.
    pub from: String,
    /// The column.
    pub column: String,
    /// The table whose key it holds.
    pub to: String,
    /// That key.
    pub target: String,
}

/// All links of a schema.
#[derive(Debug, Clone)]
pub(crate) struct Links(Vec<Link>);

impl Links {
    pub(crate) fn of(schema: &Schema) -> Self {
        let mut links = Vec::new();
        for table in &schema.tables {
            for key in &table.foreign_keys {
                // A name without capitals in a key may have some in its table.
                let Some(other) = schema.table(&key.table) else {
                    continue;
                };
                if let ([column], [target]) = (key.columns.as_slice(), key.targets.as_slice()) {
                    links.push(Link {
                        from: table.name.clone(),
                        column: column.clone(),
                        to: other.name.clone(),
                        target: target.clone(),
                    });
                }
            }
        }
        for table in &schema.tables {
            for other in schema
                .tables
                .iter()
                .filter(|other| other.name != table.name)
            {
                if let Some(link) = by_name(table, other)
                    && !links
                        .iter()
                        .any(|known| known.joins(&table.name, &other.name))
                {
                    links.push(link);
                }
            }
        }
        Self(links)
    }

    /// The link that a column is, if it is one.
    pub(crate) fn of_column(&self, table: &str, column: &str) -> Option<&Link> {
        self.0.iter().find(|link| {
            link.from.eq_ignore_ascii_case(table) && link.column.eq_ignore_ascii_case(column)
        })
    }

    /// Whether two columns belong together.
    pub(crate) fn join(&self, one: (&str, &str), other: (&str, &str)) -> bool {
        let is = |link: &Link, from: (&str, &str), to: (&str, &str)| {
            link.from.eq_ignore_ascii_case(from.0)
                && link.column.eq_ignore_ascii_case(from.1)
                && link.to.eq_ignore_ascii_case(to.0)
                && link.target.eq_ignore_ascii_case(to.1)
        };
        self.0
            .iter()
            .any(|link| is(link, one, other) || is(link, other, one))
    }

    /// The fewest links that lead from any of some tables to another one, in their order.
    pub(crate) fn path(&self, from: &[String], to: &str) -> Option<Vec<Link>> {
        let mut came: BTreeMap<String, Option<Link>> = BTreeMap::new();
        let mut waiting = VecDeque::new();
        for table in from {
            came.insert(table.to_lowercase(), None);
            waiting.push_back(table.to_lowercase());
        }
        let to = to.to_lowercase();
        while let Some(here) = waiting.pop_front() {
            if here == to {
                return Some(back(&came, &to));
            }
            for link in &self.0 {
                let (from, other) = (link.from.to_lowercase(), link.to.to_lowercase());
                let next = if from == here {
                    other
                } else if other == here {
                    from
                } else {
                    continue;
                };
                if !came.contains_key(&next) {
                    came.insert(next.clone(), Some(link.clone()));
                    waiting.push_back(next);
                }
            }
        }
        None
    }
}

impl Link {
    fn joins(&self, one: &str, other: &str) -> bool {
        (self.from == one && self.to == other) || (self.from == other && self.to == one)
    }

    /// The end that is not at a table.
    pub(crate) fn other_end(&self, table: &str) -> &str {
        if self.from.eq_ignore_ascii_case(table) {
            &self.to
        } else {
            &self.from
        }
    }
}

fn back(came: &BTreeMap<String, Option<Link>>, to: &str) -> Vec<Link> {
    let mut path = Vec::new();
    let mut here = to.to_owned();
    while let Some(Some(link)) = came.get(&here) {
        here = link.other_end(&here).to_lowercase();
        path.push(link.clone());
    }
    path.reverse();
    path
}

/// A column named as another table's only key, or as the table itself, holds its keys.
fn by_name(table: &Table, other: &Table) -> Option<Link> {
    let [target] = other.primary_key.as_slice() else {
        return None;
    };
    let wanted = words(target);
    let named = words(&other.name);
    let alone = ["id", "key", "code", "name", "title"];
    let is = |name: &str| {
        let name = words(name);
        let whole = [named.clone(), wanted.clone()].concat();
        (name == wanted && !matches!(wanted.as_slice(), [word] if alone.contains(&word.as_str())))
            || name == named
            || name == whole
    };
    let own = |name: &String| matches!(table.primary_key.as_slice(), [key] if key == name);
    let column = table
        .columns
        .iter()
        .map(|column| &column.name)
        .find(|name| is(name) && !own(name))?;
    Some(Link {
        from: table.name.clone(),
        column: column.clone(),
        to: other.name.clone(),
        target: target.clone(),
    })
}
