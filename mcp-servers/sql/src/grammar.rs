//! SQL over some tables as a grammar, for engines that can hold a model to one.
//!
//! In llguidance's dialect of Lark. What it allows is one SELECT over these tables and columns, or a
//! sentence that begins with [`CANNOT`]: names that there are not cannot be written, tables are
//! joined over their keys, and texts, numbers and functions are of the dialect. Which of the tables
//! a column belongs to is checked by the database.

use std::fmt::Write as _;

use crate::dialect::Dialect;
use crate::schema::{Schema, Table};

/// What a model begins with that cannot answer from these tables.
pub const CANNOT: &str = "CANNOT: ";

/// The rules that are the same for all tables.
const RULES: &str = r#"
start: query | refusal
query: core (set core)* order? limit?
set: " UNION " | " UNION ALL " | " INTERSECT " | " EXCEPT "
core: "SELECT " "DISTINCT "? items " FROM " table join* where? group?
items: "*" | item (", " item)*
item: expr (" AS " ALIAS)?
where: " WHERE " conditions
group: " GROUP BY " expr (", " expr)* (" HAVING " conditions)?
order: " ORDER BY " key (", " key)*
key: (expr | ALIAS) (" ASC" | " DESC")?
limit: " LIMIT " COUNT
conditions: condition ((" AND " | " OR ") condition)*
condition: expr compare expr
    | expr " BETWEEN " expr " AND " expr
    | expr " NOT"? " LIKE " TEXT
    | expr " IS" " NOT"? " NULL"
    | expr " NOT"? " IN (" (query | expr (", " expr)*) ")"
    | "NOT "? "EXISTS (" query ")"
    | "(" conditions ")"
compare: " = " | " <> " | " < " | " <= " | " > " | " >= "
expr: term ((" + " | " - " | " * " | " / ") term)*
term: column | NUMBER | TEXT | call | "(" expr ")" | "(" query ")" | case
call: "COUNT" "(" ("*" | "DISTINCT "? expr) ")" | aggregate "(" expr ")"
    | function "(" expr (", " expr)* ")"
aggregate: "SUM" | "AVG" | "MIN" | "MAX"
case: "CASE" (" WHEN " conditions " THEN " expr)+ (" ELSE " expr)? " END"
refusal: "CANNOT: " REASON
ALIAS: /[a-z][a-z0-9_]{0,30}/
NUMBER: /-?[0-9]{1,15}(\.[0-9]{1,10})?/
COUNT: /[1-9][0-9]{0,3}/
TEXT: /'([^'\\\n]|''){0,200}'/
REASON: /[^\n]{1,200}/
"#;

/// A grammar over these tables; `None` where there are none.
#[must_use]
pub fn grammar(tables: &[&Table], dialect: Dialect) -> Option<String> {
    if tables.is_empty() {
        return None;
    }
    let schema = Schema {
        tables: tables.iter().map(|table| (*table).clone()).collect(),
    };
    let mut grammar = RULES.to_owned();
    let names = tables
        .iter()
        .map(|table| literal(&dialect.named_path(&table.name)));
    alternatives(&mut grammar, "table", names);
    alternatives(&mut grammar, "column", columns(tables, dialect));
    let joins = joins(&schema, dialect).into_iter();
    // Tables without keys are joined as the model thinks.
    let free = "\" JOIN \" table \" ON \" column \" = \" column".to_owned();
    alternatives(&mut grammar, "join", joins.chain([free]));
    let functions = functions(dialect).iter().map(|name| literal(name));
    alternatives(&mut grammar, "function", functions);
    Some(grammar)
}

fn alternatives(grammar: &mut String, rule: &str, texts: impl Iterator<Item = String>) {
    let texts: Vec<String> = texts.collect();
    // Writing to a text does not fail.
    let _ = writeln!(grammar, "{rule}: {}", texts.join(" | "));
}

fn columns<'a>(tables: &'a [&Table], dialect: Dialect) -> impl Iterator<Item = String> + 'a {
    tables.iter().flat_map(move |table| {
        let name = dialect.named_path(&table.name);
        let columns = table.columns.iter();
        columns.map(move |column| {
            let column = dialect.named(&column.name);
            literal(&format!("{name}.{column}"))
        })
    })
}

/// Each key from both of its ends.
fn joins(schema: &Schema, dialect: Dialect) -> Vec<String> {
    let mut joins = Vec::new();
    for table in &schema.tables {
        for key in &table.foreign_keys {
            let Some(target) = schema.table(&key.table) else {
                continue;
            };
            let (here, there) = (
                dialect.named_path(&table.name),
                dialect.named_path(&target.name),
            );
            let pairs: Vec<String> = key
                .columns
                .iter()
                .zip(&key.targets)
                .map(|(column, other)| {
                    let (column, other) = (dialect.named(column), dialect.named(other));
                    format!("{here}.{column} = {there}.{other}")
                })
                .collect();
            if pairs.is_empty() {
                continue;
            }
            let on = pairs.join(" AND ");
            joins.push(literal(&format!(" JOIN {there} ON {on}")));
            joins.push(literal(&format!(" JOIN {here} ON {on}")));
        }
    }
    joins.sort();
    joins.dedup();
    joins
}

/// Functions that only compute, and that questions need.
fn functions(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Sqlite => &[
            "LOWER", "UPPER", "LENGTH", "SUBSTR", "ROUND", "ABS", "COALESCE", "STRFTIME", "DATE",
        ],
        Dialect::Postgres => &[
            "LOWER",
            "UPPER",
            "LENGTH",
            "SUBSTR",
            "ROUND",
            "ABS",
            "COALESCE",
            "TO_CHAR",
            "DATE_TRUNC",
            "DATE_PART",
        ],
        Dialect::Mysql => &[
            "LOWER",
            "UPPER",
            "LENGTH",
            "SUBSTR",
            "ROUND",
            "ABS",
            "COALESCE",
            "YEAR",
            "MONTH",
            "DATE",
            "DATE_FORMAT",
        ],
    }
}

/// A text as it is written in a grammar.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use llguidance::api::TopLevelGrammar;
    use llguidance::{Matcher, ParserFactory};
    use toktrie::ApproximateTokEnv;

    use super::grammar;
    use crate::dialect::Dialect;
    use crate::guard::{Guard, Rules};
    use crate::schema::made::table;

    /// Whether the grammar lets a model write a statement to its end.
    fn allowed(grammar: &str, sql: &str) -> bool {
        let environment = ApproximateTokEnv::single_byte_env();
        let factory = ParserFactory::new_simple(&environment).unwrap();
        let grammar = TopLevelGrammar::from_lark(grammar.to_owned());
        let mut matcher = Matcher::new(factory.create_parser(grammar));
        assert!(!matcher.is_error(), "{:?}", matcher.get_error());
        let tokens = environment.tokenize_bytes(sql.as_bytes());
        matcher.validate_tokens(&tokens).unwrap() == tokens.len()
            && matcher.consume_tokens(&tokens).is_ok()
            && matcher.is_accepting().unwrap()
    }

    #[test]
    fn one_statement_over_these_tables_and_nothing_else() {
        let customer = table("customer", &["id", "last name", "region"], &[]);
        let sale = table("sale", &["customer_id", "amount", "order"], &["customer"]);
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            let grammar = grammar(&[&customer, &sale], dialect).unwrap();
            let guard = Guard::new(dialect, Rules::default()).unwrap();
            let (last, order) = (dialect.named("last name"), dialect.named("order"));
            for sql in [
                "SELECT COUNT(*) FROM sale".to_owned(),
                "SELECT * FROM customer ORDER BY customer.id DESC LIMIT 3".to_owned(),
                format!(
                    "SELECT customer.{last}, SUM(sale.amount) AS total FROM sale \
                     JOIN customer ON sale.customer_id = customer.id \
                     WHERE customer.region = 'Côte d''Or' AND sale.{order} IS NOT NULL \
                     GROUP BY customer.{last} HAVING COUNT(DISTINCT sale.{order}) > 2 \
                     ORDER BY total DESC, customer.{last} LIMIT 10"
                ),
                "SELECT AVG(sale.amount * 1.5) FROM sale WHERE sale.customer_id NOT IN \
                 (SELECT customer.id FROM customer WHERE customer.region LIKE '%burg')"
                    .to_owned(),
                "SELECT customer.id FROM customer EXCEPT SELECT sale.customer_id FROM sale"
                    .to_owned(),
            ] {
                assert!(allowed(&grammar, &sql), "{sql}");
                guard.check(&sql).unwrap();
            }
            for sql in [
                "DROP TABLE sale",
                "SELECT sale.amount FROM sale; DELETE FROM sale",
                "SELECT sale.price FROM sale",
                "SELECT sale.amount FROM sales",
                "SELECT load_extension('x') FROM sale",
                "SELECT sale.amount FROM sale -- and more",
                "",
            ] {
                assert!(!allowed(&grammar, sql), "{sql}");
            }
            assert!(allowed(&grammar, "CANNOT: there are no weights"));
        }
        assert_eq!(super::grammar(&[], Dialect::Sqlite), None);
    }
}
