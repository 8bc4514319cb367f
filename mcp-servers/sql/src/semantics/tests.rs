use super::{Semantics, SemanticsError};
use crate::dialect::Dialect;
use crate::guard::{Guard, Rules};
use crate::schema::{Column, Schema, Table};

const SHOP: &str = "
metrics:
  - name: revenue
    definition: What customers paid, without what was sent back.
    formula: SUM(sale.amount)
    from: sale JOIN customer ON sale.customer_id = customer.id
    filter: sale.returned = 0
    synonyms: [turnover, sales volume]
    dimensions:
      region: customer.region
      month: strftime('%Y-%m', sale.day)
    chart: line
tables:
  sale:
    description: One article sold
    columns: {amount: in euros}
examples:
  - question: How much did we sell?
    sql: SELECT SUM(amount) FROM sale
";

fn schema() -> Schema {
    let column = |name: &str| Column {
        name: name.to_owned(),
        kind: String::new(),
        nullable: true,
        comment: None,
        samples: Vec::new(),
    };
    Schema {
        tables: vec![Table {
            name: "Sale".to_owned(),
            view: false,
            comment: Some("sales".to_owned()),
            columns: vec![column("Amount"), column("day")],
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            rows: None,
        }],
    }
}

fn read(text: &str) -> Result<Semantics, SemanticsError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    std::fs::write(&file, text).unwrap();
    let semantics = Semantics::read(&file)?;
    let guard = Guard::new(Dialect::Sqlite, Rules::default()).unwrap();
    semantics.check(&guard, &schema())?;
    Ok(semantics)
}

#[test]
fn metrics_are_found_by_their_names_and_computed_by_their_dimensions() {
    let shop = read(SHOP).unwrap();
    let found = shop.named("What were the sales volumes of last month?");
    assert_eq!(found[0].name, "revenue");
    assert!(shop.named("How many customers?").is_empty());
    assert_eq!(
        found[0].sql(&["region"]),
        "SELECT customer.region AS \"region\", SUM(sale.amount) AS \"revenue\" \
         FROM sale JOIN customer ON sale.customer_id = customer.id WHERE sale.returned = 0 \
         GROUP BY customer.region ORDER BY customer.region"
    );
}

#[test]
fn what_is_said_here_stands_in_place_of_what_the_database_says() {
    let told = read(SHOP).unwrap().told_of(&schema());
    let sale = told.table("sale").unwrap();
    assert_eq!(sale.comment.as_deref(), Some("One article sold"));
    assert_eq!(sale.columns[0].comment.as_deref(), Some("in euros"));
    assert_eq!(sale.columns[1].comment, None);
}

#[test]
fn what_does_not_hold_is_named() {
    for (from, to, told) in [
        (
            "SUM(sale.amount)\n",
            "load_extension('x')\n",
            "metric `revenue`",
        ),
        (
            "SELECT SUM(amount) FROM sale",
            "DROP TABLE sale",
            "example 1",
        ),
        ("  sale:", "  sold:", "table `sold`: there is no such table"),
        ("{amount:", "{total:", "it has no column `total`"),
        ("definition:", "definitoin:", "unknown field `definitoin`"),
        (
            "sale.returned = 0",
            "1; DELETE FROM sale",
            "metric `revenue`",
        ),
    ] {
        let error = read(&SHOP.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(read("").unwrap(), Semantics::default());
}
