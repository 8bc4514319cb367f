//! SQL over some tables as a grammar, for engines that can hold a model to one.
//!
//! In llguidance's dialect of Lark. What it allows is one SELECT over these tables and columns, or a
//! sentence that begins with [`CANNOT`]: names that there are not cannot be written, and texts,
//! numbers, functions and types are of the dialect. A statement may name things of its own, in
//! words that the grammar lists: a table by a letter, a query of its WITH by [`RULES`]' `PART`.
//! Which table a column belongs to is checked by the database.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::dialect::Dialect;
use crate::schema::Table;

/// What a model begins with that cannot answer from these tables.
pub const CANNOT: &str = "CANNOT: ";

/// The rules that are the same for all tables.
const RULES: &str = r#"
start: ("WITH " part (", " part)* " ")? query | refusal
part: PART " AS (" query ")"
query: core (set core)* order? limit?
set: " UNION " | " UNION ALL " | " INTERSECT " | " EXCEPT "
core: "SELECT " "DISTINCT "? items " FROM " source join* where? group?
items: "*" | item (", " item)*
item: expr (" AS " ALIAS)?
source: (table | PART) (" AS " TAG)?
join: " LEFT"? " JOIN " source " ON " conditions
where: " WHERE " conditions
group: " GROUP BY " expr (", " expr)* (" HAVING " conditions)?
order: " ORDER BY " key (", " key)*
key: (expr | ALIAS) (" ASC" | " DESC")?
limit: " LIMIT " COUNT (" OFFSET " COUNT)?
conditions: condition ((" AND " | " OR ") condition)*
condition: expr compare expr
    | expr " NOT"? " BETWEEN " expr " AND " expr
    | expr " NOT"? " LIKE " TEXT
    | expr " IS" " NOT"? " NULL"
    | expr " NOT"? " IN (" (query | expr (", " expr)*) ")"
    | "NOT "? "EXISTS (" query ")"
    | "(" conditions ")"
compare: " = " | " <> " | " < " | " <= " | " > " | " >= "
expr: term ((" + " | " - " | " * " | " / " | " % ") term)*
term: column | NUMBER | TEXT | call | window | "(" expr ")" | "(" query ")" | case
    | "CAST(" expr " AS " type ")"
column: (table ".")? name | TAG "." name | PART "." ALIAS
call: "COUNT" "(" ("*" | "DISTINCT "? expr) ")" | aggregate "(" "DISTINCT "? expr ")"
    | function "(" expr (", " expr)* ")"
aggregate: "SUM" | "AVG" | "MIN" | "MAX"
window: ranking " OVER (" partition? "ORDER BY " key (", " key)* ")"
    | call " OVER (" partition? ("ORDER BY " key (", " key)*)? ")"
ranking: "ROW_NUMBER()" | "RANK()" | "DENSE_RANK()" | ("LAG" | "LEAD") "(" expr ")"
partition: "PARTITION BY " expr (", " expr)* " "
case: "CASE" (" WHEN " conditions " THEN " expr)+ (" ELSE " expr)? " END"
refusal: "CANNOT: " REASON
ALIAS: /[a-z][a-z0-9]{0,20}_[a-z0-9_]{0,20}|name|year|month|count|total|number|average|amount|rate|share|ratio|value|result/
TAG: /[a-zA-Z][0-9]?/
PART: /(part|step|cte)[0-9]?|ranked|totals|counts|filtered/
NUMBER: /-?[0-9]{1,15}(\.[0-9]{1,10})?/
COUNT: /[1-9][0-9]{0,3}/
TEXT: /'([^'\\\p{Cc}]|''){0,200}'/
REASON: /[^\p{Cc}]{1,200}/
"#;

/// A grammar over these tables; `None` where there are none.
#[must_use]
pub fn grammar(tables: &[&Table], dialect: Dialect) -> Option<String> {
    if tables.is_empty() {
        return None;
    }
    let mut grammar = RULES.to_owned();
    let names = tables.iter().map(|table| dialect.named_path(&table.name));
    alternatives(&mut grammar, "table", names);
    let columns = tables.iter().flat_map(|table| &table.columns);
    let columns: BTreeSet<String> = columns.map(|column| dialect.named(&column.name)).collect();
    alternatives(&mut grammar, "name", columns.into_iter());
    let functions = FUNCTIONS.iter().chain(functions(dialect));
    let functions = functions.map(|name| (*name).to_owned());
    alternatives(&mut grammar, "function", functions);
    let types = types(dialect).iter().map(|name| (*name).to_owned());
    alternatives(&mut grammar, "type", types);
    Some(grammar)
}

fn alternatives(grammar: &mut String, rule: &str, texts: impl Iterator<Item = String>) {
    let texts: Vec<String> = texts.map(|text| literal(&text)).collect();
    // Writing to a text does not fail.
    let _ = writeln!(grammar, "{rule}: {}", texts.join(" | "));
}

/// Functions that only compute, and that questions need: those of every dialect.
const FUNCTIONS: [&str; 8] = [
    "LOWER", "UPPER", "LENGTH", "SUBSTR", "ROUND", "ABS", "COALESCE", "NULLIF",
];

/// And those of this one.
fn functions(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Sqlite => &["STRFTIME", "DATE", "JULIANDAY"],
        Dialect::Postgres => &["TO_CHAR", "DATE_TRUNC", "DATE_PART"],
        Dialect::Mysql => &["CONCAT", "YEAR", "MONTH", "DATE", "DATE_FORMAT", "DATEDIFF"],
    }
}

/// Types that a value is made into.
fn types(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Sqlite => &["REAL", "INTEGER", "TEXT"],
        Dialect::Postgres => &["NUMERIC", "DOUBLE PRECISION", "INTEGER", "TEXT", "DATE"],
        Dialect::Mysql => &["DECIMAL(20, 6)", "SIGNED", "CHAR", "DATE"],
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
                "SELECT T1.region, CAST(SUM(amount) AS REAL) / COUNT(*) FROM customer AS T1 \
                 LEFT JOIN sale AS T2 ON T1.id = T2.customer_id AND T2.amount > 3 \
                 GROUP BY T1.region"
                    .replace("REAL", super::types(dialect)[0]),
                "WITH ranked AS (SELECT region, ROW_NUMBER() OVER (PARTITION BY region \
                 ORDER BY id DESC) AS place_in FROM customer) \
                 SELECT region FROM ranked WHERE ranked.place_in = 1"
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
                "SELECT price FROM sale",
                "SELECT T1.price FROM sale AS T1",
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
