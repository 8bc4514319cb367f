//! How tables hang together: by keys that are declared, and by those that names tell.
//!
//! What names tell is found out in one place, `parse::facts::keys`; here it is told by names, for
//! those who read statements, with a map from each table to its neighbours.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::schema::Schema;

/// Longest way between two tables, in links.
const LONGEST: usize = 4;

/// Columns whose values are keys of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The table with the columns.
    pub from: String,
    /// The table whose key they hold.
    pub to: String,
    /// The columns, each with the one of the other table that it holds.
    pub pairs: Vec<(String, String)>,
}

/// All links of a schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    links: Vec<Link>,
    /// The links of each table, by its name in small letters.
    of_table: HashMap<String, Vec<usize>>,
}

impl Links {
    /// The declared keys of a schema, and with them those that are guessed.
    pub(crate) fn new(schema: &Schema, guessed: impl Iterator<Item = Link>) -> Self {
        let tables: HashMap<String, usize> = schema
            .tables
            .iter()
            .enumerate()
            .rev()
            .map(|(place, table)| (table.name.to_lowercase(), place))
            .collect();
        let mut links = Self::default();
        for table in &schema.tables {
            for key in &table.foreign_keys {
                // A name without capitals in a key may have some in its table.
                let other = tables.get(&key.table.to_lowercase());
                let Some(other) = other.and_then(|place| schema.tables.get(*place)) else {
                    continue;
                };
                let pairs = key.columns.iter().zip(&key.targets).map(|(own, target)| {
                    let own = table.column(own)?.name.clone();
                    Some((own, other.column(target)?.name.clone()))
                });
                let Some(pairs) = pairs.collect::<Option<Vec<_>>>() else {
                    continue;
                };
                if !pairs.is_empty() && key.columns.len() == key.targets.len() {
                    links.add(Link {
                        from: table.name.clone(),
                        to: other.name.clone(),
                        pairs,
                    });
                }
            }
        }
        for link in guessed {
            let known = link
                .pairs
                .first()
                .is_some_and(|(own, target)| links.join((&link.from, own), (&link.to, target)));
            if !known {
                links.add(link);
            }
        }
        links
    }

    fn add(&mut self, link: Link) {
        let place = self.links.len();
        let mut ends = vec![link.from.to_lowercase(), link.to.to_lowercase()];
        ends.dedup();
        for end in ends {
            self.of_table.entry(end).or_default().push(place);
        }
        self.links.push(link);
    }

    /// The links of a table, those of other tables to it among them.
    fn of(&self, table: &str) -> impl Iterator<Item = &Link> {
        let places = self.of_table.get(&table.to_lowercase());
        let places = places.into_iter().flatten();
        places.filter_map(|place| self.links.get(*place))
    }

    /// The link that a column is a part of, and the column it stands for; where it is a part of
    /// several, that of the fewest columns.
    pub(crate) fn of_column(&self, table: &str, column: &str) -> Option<(&Link, &str)> {
        let own = self
            .of(table)
            .filter(|link| link.from.eq_ignore_ascii_case(table));
        let held = own.filter_map(|link| {
            let mut pairs = link.pairs.iter();
            let (_, target) = pairs.find(|(own, _)| own.eq_ignore_ascii_case(column))?;
            Some((link, target.as_str()))
        });
        held.min_by_key(|(link, _)| link.pairs.len())
    }

    /// Whether two columns belong together.
    pub(crate) fn join(&self, one: (&str, &str), other: (&str, &str)) -> bool {
        let is = |link: &Link, from: (&str, &str), to: (&str, &str)| {
            link.from.eq_ignore_ascii_case(from.0)
                && link.to.eq_ignore_ascii_case(to.0)
                && link.pairs.iter().any(|(own, target)| {
                    own.eq_ignore_ascii_case(from.1) && target.eq_ignore_ascii_case(to.1)
                })
        };
        self.of(one.0)
            .any(|link| is(link, one, other) || is(link, other, one))
    }

    /// The tables that are one link away.
    pub(crate) fn neighbours<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a str> {
        self.of(table).map(|link| link.other_end(table))
    }

    /// The tables whose keys a table holds.
    pub(crate) fn targets<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self
            .of(table)
            .filter(move |link| link.from.eq_ignore_ascii_case(table));
        own.map(|link| link.to.as_str())
    }

    /// How many links lead to each table that can be reached from some, by their names in small
    /// letters.
    pub(crate) fn distances<'a>(
        &self,
        from: impl Iterator<Item = &'a str>,
    ) -> HashMap<String, usize> {
        let mut far: HashMap<String, usize> = HashMap::new();
        let mut waiting: VecDeque<(String, usize)> = VecDeque::new();
        for table in from {
            let table = table.to_lowercase();
            far.insert(table.clone(), 0);
            waiting.push_back((table, 0));
        }
        while let Some((here, steps)) = waiting.pop_front() {
            if steps >= LONGEST {
                continue;
            }
            let next_steps = steps.saturating_add(1);
            for next in self.neighbours(&here) {
                let next = next.to_lowercase();
                if !far.contains_key(&next) {
                    far.insert(next.clone(), next_steps);
                    waiting.push_back((next, next_steps));
                }
            }
        }
        far
    }

    /// The fewest links that lead from any of some tables to another one, in their order.
    pub(crate) fn path<'a>(
        &self,
        from: impl Iterator<Item = &'a str>,
        to: &str,
    ) -> Option<Vec<Link>> {
        let mut came: BTreeMap<String, Option<&Link>> = BTreeMap::new();
        let mut waiting = VecDeque::new();
        for table in from {
            came.insert(table.to_lowercase(), None);
            waiting.push_back((table.to_lowercase(), 0_usize));
        }
        let to = to.to_lowercase();
        while let Some((here, steps)) = waiting.pop_front() {
            if here == to {
                return Some(back(&came, &to));
            }
            if steps >= LONGEST {
                continue;
            }
            for link in self.of(&here) {
                let next = link.other_end(&here).to_lowercase();
                if !came.contains_key(&next) {
                    came.insert(next.clone(), Some(link));
                    waiting.push_back((next, steps.saturating_add(1)));
                }
            }
        }
        None
    }
}

impl Link {
    /// The end that is not at a table.
    pub(crate) fn other_end(&self, table: &str) -> &str {
        if self.from.eq_ignore_ascii_case(table) {
            &self.to
        } else {
            &self.from
        }
    }
}

fn back(came: &BTreeMap<String, Option<&Link>>, to: &str) -> Vec<Link> {
    let mut path = Vec::new();
    let mut here = to.to_owned();
    while let Some(Some(link)) = came.get(&here) {
        here = link.other_end(&here).to_lowercase();
        path.push((*link).clone());
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use crate::parse::links;
    use crate::schema::made::table;
    use crate::schema::{ForeignKey, Schema};

    fn schema() -> Schema {
        let mut seat = table("seat", &["id", "row", "number"], &[]);
        seat.primary_key = vec!["row".to_owned(), "number".to_owned()];
        let mut ticket = table("Ticket", &["id", "row", "number", "visitor_id"], &[]);
        ticket.foreign_keys = vec![ForeignKey {
            columns: vec!["row".to_owned(), "number".to_owned()],
            table: "Seat".to_owned(),
            targets: vec!["row".to_owned(), "number".to_owned()],
        }];
        Schema {
            tables: vec![seat, ticket, table("visitor", &["id", "name"], &[])],
        }
    }

    #[test]
    fn keys_of_several_columns_belong_together_in_all_of_them() {
        let links = links(&schema());
        assert!(links.join(("ticket", "row"), ("seat", "row")));
        assert!(links.join(("seat", "number"), ("ticket", "number")));
        assert!(!links.join(("seat", "number"), ("ticket", "row")));
        let (link, target) = links.of_column("ticket", "NUMBER").unwrap();
        assert_eq!((link.pairs.len(), target), (2, "number"));
    }

    #[test]
    fn keys_that_nobody_declared_are_told_by_their_names() {
        let links = links(&schema());
        let path = links.path(["seat"].into_iter(), "visitor").unwrap();
        let ends: Vec<&str> = path.iter().map(|link| link.to.as_str()).collect();
        assert_eq!(ends, ["seat", "visitor"]);
        let far = links.distances(["Seat"].into_iter());
        assert_eq!(
            (far.get("ticket"), far.get("visitor")),
            (Some(&1), Some(&2))
        );
    }
}
