//! Rules hold for files as for any database.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_sql::Dialect;
use ropewalk_sql::database::{DatabaseError, Engine, Files, Limits};
use ropewalk_sql::guard::{Guard, Rules};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::made::Folder;

#[tokio::test]
async fn rules_hold() {
    let folder = Folder::new();
    folder.write(
        "people.csv",
        "id,tenant,name,secret\n1,a,Ada,x\n2,b,Grace,y\n",
    );
    folder.write("salaries.csv", "id,salary\n1,10\n");
    let rules = Rules {
        tables: BTreeSet::from(["people".to_owned()]),
        columns: BTreeMap::from([(
            "people".to_owned(),
            ["id", "name"].map(str::to_owned).to_vec(),
        )]),
        rows: BTreeMap::from([("people".to_owned(), "tenant = 'a'".to_owned())]),
        ..Rules::default()
    };
    let files = Files::open(std::slice::from_ref(&folder.path), None, rules.clone())
        .await
        .unwrap();
    let schema = files.schema().await.unwrap();
    let [people] = schema.tables.as_slice() else {
        panic!("{schema:?}");
    };
    let names: Vec<&str> = people
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["id", "name"]);
    assert_eq!(
        people.comment.as_deref(),
        Some("From the file `people.csv`")
    );
    let (limits, cancel) = (Limits::default(), CancellationToken::new());
    let guard = Guard::new(Dialect::Sqlite, rules).unwrap();
    let approved = guard.check("SELECT * FROM people").unwrap();
    let rows = files.query(&approved, &limits, &cancel).await.unwrap();
    assert_eq!(rows.rows, [[json!(1), json!("Ada")]]);
    assert!(guard.check("SELECT * FROM salaries").is_err());
    // Past the guard, SQLite itself refuses.
    let unguarded = Guard::new(Dialect::Sqlite, Rules::default()).unwrap();
    let approved = unguarded.check("SELECT * FROM salaries").unwrap();
    let error = files.query(&approved, &limits, &cancel).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Statement { .. }), "{error}");
    assert!(files.excess().await.unwrap().is_empty());
    assert!(
        !files
            .plan(&guard.check("SELECT name FROM people").unwrap())
            .await
            .unwrap()
            .steps
            .is_empty()
    );
}
