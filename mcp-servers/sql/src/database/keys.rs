//! Keys of a schema, as far as they may be known.

use crate::guard::Rules;
use crate::schema::Schema;

/// Leaves out the keys that would tell of columns and tables that the rules hide. A key that is
/// only partly seen is none: its columns would not tell rows apart.
pub(super) fn hide(schema: &mut Schema, rules: &Rules) {
    let seen = |table: &str, columns: &[String]| {
        let mut columns = columns.iter();
        columns.all(|column| rules.may_see_column(table, column))
    };
    let names: Vec<String> = schema.tables.iter().map(|it| it.name.clone()).collect();
    let is_there = |table: &str| names.iter().any(|name| name.eq_ignore_ascii_case(table));
    for table in &mut schema.tables {
        if !seen(&table.name, &table.primary_key) {
            table.primary_key.clear();
        }
        table.foreign_keys.retain(|key| {
            let target = rules.tables.is_empty() || is_there(&key.table);
            target && seen(&table.name, &key.columns) && seen(&key.table, &key.targets)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::made::table;

    #[test]
    fn keys_tell_of_nothing_that_is_hidden() {
        let mut schema = Schema {
            tables: vec![
                table("singer", &["id", "name"], &["band", "secret"]),
                table("band", &["id"], &[]),
            ],
        };
        schema.tables[0].primary_key = vec!["id".to_owned(), "hidden".to_owned()];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut rules = Rules {
            tables: ["singer".to_owned(), "band".to_owned()].into(),
            ..Rules::default()
        };
        let columns = names(&["id", "name", "band_id"]);
        rules.columns.insert("singer".to_owned(), columns);
        hide(&mut schema, &rules);
        let singer = &schema.tables[0];
        assert!(singer.primary_key.is_empty());
        let keys: Vec<&str> = singer
            .foreign_keys
            .iter()
            .map(|key| key.table.as_str())
            .collect();
        assert_eq!(keys, ["band"]);
        rules.columns.insert("band".to_owned(), names(&["name"]));
        hide(&mut schema, &rules);
        assert!(schema.tables[0].foreign_keys.is_empty());
        assert!(schema.tables[1].primary_key.is_empty());
    }
}
