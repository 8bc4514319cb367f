//! A real MariaDB: what is in it, how it would go about statements, what its users may do, and how
//! secret the way to it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ropewalk_sql::database::{Engine, Limits, MySql};
use ropewalk_sql::guard::Rules;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::corpus::unguarded;
use crate::engine::query;
use crate::server::mariadb::MariaDbServer;

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_is_in_it_and_who_may_do_what() {
    let Some(server) = MariaDbServer::start() else {
        return;
    };
    the_schema_has_keys_comments_and_samples(&server).await;
    the_schema_is_what_rules_allow(&server).await;
    names_may_be_anything(&server).await;
    a_schema_of_thousands_of_tables_is_told(&server).await;
    plans_tell_how_much_would_be_read(&server).await;
    too_much_power_is_told(&server).await;
    the_way_there_is_as_secret_as_was_asked(&server).await;
}

async fn the_schema_has_keys_comments_and_samples(server: &MariaDbServer) {
    let schema = server.owner().await.schema().await.unwrap();
    let names: Vec<&str> = schema
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    // Another database of the server is somebody else's.
    assert_eq!(names, ["document", "known", "note", "person", "post"]);
    let person = schema.table("person").unwrap();
    assert_eq!(person.comment.as_deref(), Some("Everybody we know"));
    assert_eq!((person.rows, person.view), (Some(3), false));
    let secret = person.column("secret").unwrap();
    assert_eq!(secret.comment.as_deref(), Some("Not to be told"));
    assert_eq!(
        (secret.kind.as_str(), secret.nullable),
        ("varchar(20)", true)
    );
    let name = person.column("name").unwrap();
    assert!(!name.nullable);
    assert_eq!(name.samples, ["Ada", "Grace", "Edsger"]);
    let known = schema.table("known").unwrap();
    assert_eq!((known.view, known.comment.as_ref()), (true, None));
    let document = schema.table("document").unwrap();
    assert_eq!(document.primary_key, ["page", "id"]);
    let body = &document.column("body").unwrap().samples;
    assert!(body.iter().all(|sample| sample.len() <= 60), "{body:?}");
    let key = &schema.table("post").unwrap().foreign_keys[0];
    assert_eq!(
        (
            key.columns[0].as_str(),
            key.table.as_str(),
            key.targets[0].as_str()
        ),
        ("author", "person", "id")
    );
    let seen = server.reader().await.schema().await.unwrap();
    assert!(seen.table("note").is_none(), "it may not be read");
    assert_eq!(seen.table("post").unwrap().foreign_keys.len(), 1);
    assert_eq!(seen.table("person").unwrap().primary_key, ["id"]);
}

async fn the_schema_is_what_rules_allow(server: &MariaDbServer) {
    let names = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    let rules = Rules {
        tables: names(&["person", "post", "other.thing"]),
        columns: BTreeMap::from([(
            "person".to_owned(),
            vec!["id".to_owned(), "name".to_owned()],
        )]),
        rows: BTreeMap::from([("post".to_owned(), "author = 1".to_owned())]),
        ..Rules::default()
    };
    let database = MySql::connect("people", &server.owner_url(), rules).await;
    let schema = database.unwrap().schema().await.unwrap();
    let seen: Vec<&str> = schema
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(seen, ["other.thing", "person", "post"]);
    assert_eq!(schema.table("other.thing").unwrap().primary_key, ["b", "a"]);
    assert!(schema.table("person").unwrap().column("secret").is_none());
    let rules = Rules {
        columns: BTreeMap::from([("document".to_owned(), vec!["id".to_owned()])]),
        ..Rules::default()
    };
    let database = MySql::connect("people", &server.owner_url(), rules).await;
    let schema = database.unwrap().schema().await.unwrap();
    let key = &schema.table("document").unwrap().primary_key;
    assert!(key.is_empty(), "a part of a key is none: {key:?}");
    let rules = Rules {
        tables: names(&["person", "post"]),
        rows: BTreeMap::from([("post".to_owned(), "author = 1".to_owned())]),
        ..Rules::default()
    };
    let database = MySql::connect("people", &server.owner_url(), rules).await;
    let schema = database.unwrap().schema().await.unwrap();
    let post = schema.table("post").unwrap();
    assert_eq!(post.rows, None);
    assert!(post.columns.iter().all(|column| column.samples.is_empty()));
}

async fn names_may_be_anything(server: &MariaDbServer) {
    server.sql(
        "CREATE TABLE `it's ``odd`` \"select\"` (`order by` VARCHAR(9), `a:b` INT, `größe` INT);
         INSERT INTO `it's ``odd`` \"select\"` VALUES ('here', 1, 2)",
    );
    let database = server.owner().await;
    let schema = database.schema().await.unwrap();
    let odd = schema.table("it's `odd` \"select\"").unwrap();
    assert_eq!(odd.column("order by").unwrap().samples, ["here"]);
    assert_eq!(odd.column("größe").unwrap().samples, ["2"]);
    let sql = "SELECT `order by`, `a:b`, `größe` FROM `it's ``odd`` \"select\"`";
    let rows = query(&database, sql, &Limits::default()).await.unwrap();
    assert_eq!(rows.rows, [[json!("here"), json!(1), json!(2)]]);
    server.sql("DROP TABLE `it's ``odd`` \"select\"`");
}

async fn a_schema_of_thousands_of_tables_is_told(server: &MariaDbServer) {
    let tables = (0..5_000).map(|number| {
        format!(
            "CREATE TABLE table_{number} (id INT PRIMARY KEY, name VARCHAR(40), day DATE,
                 other INT) ENGINE = MyISAM;"
        )
    });
    let tables: String = tables.collect();
    let row = "INSERT INTO table_0 VALUES (1, 'a name', NULL, 1)";
    server.sql(&format!("CREATE DATABASE many; USE many; {tables} {row}"));
    let url = server.url("owner", "owner-password", "many");
    let database = MySql::connect("many", &url, Rules::default()).await;
    let began = Instant::now();
    let schema = database.unwrap().schema().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(schema.tables.len(), 5_000);
    let first = schema.table("table_0").unwrap();
    assert_eq!((first.columns.len(), first.rows), (4, Some(1)));
    assert_eq!(first.column("name").unwrap().samples, ["a name"]);
    server.sql("DROP DATABASE many");
}

async fn plans_tell_how_much_would_be_read(server: &MariaDbServer) {
    let database = server.reader().await;
    let plan = database.plan(&unguarded("SELECT * FROM person")).await;
    let plan = plan.unwrap();
    assert_eq!(plan.steps, ["ALL on person, 3 rows"]);
    assert_eq!(plan.rows, Some(3.0));
    let product = "SELECT count(*) FROM person a, person b, person c, person d";
    let plan = database.plan(&unguarded(product)).await.unwrap();
    assert_eq!((plan.steps.len(), plan.rows), (4, Some(81.0)));
    let inner = "SELECT * FROM (SELECT name, count(*) FROM person GROUP BY name) x, person y \
                 UNION ALL SELECT 1, 2, 3, 4, 5";
    let plan = database.plan(&unguarded(inner)).await.unwrap();
    assert_eq!(plan.rows, Some(9.0), "{:?}", plan.steps);
    let each = "SELECT id, (SELECT count(*) FROM person b WHERE b.name > a.name) FROM person a";
    let plan = database.plan(&unguarded(each)).await.unwrap();
    assert_eq!(plan.rows, Some(9.0), "{:?}", plan.steps);
    let wrong = database.plan(&unguarded("SELECT * FROM nothing")).await;
    assert!(wrong.unwrap_err().to_string().contains("nothing"));
}

async fn too_much_power_is_told(server: &MariaDbServer) {
    let excess = server.owner().await.excess().await.unwrap().join("\n");
    assert!(excess.contains("ALL PRIVILEGES on *.*"), "{excess}");
    assert!(excess.contains("may give to others"), "{excess}");
    assert_eq!(
        server.reader().await.excess().await.unwrap(),
        Vec::<String>::new()
    );
    server.sql(
        "CREATE ROLE writers; GRANT INSERT ON test.* TO writers;
         CREATE USER writer@'127.0.0.1' IDENTIFIED BY 'writer-password';
         GRANT SELECT, UPDATE (name) ON test.person TO writer@'127.0.0.1';
         GRANT FILE ON *.* TO writer@'127.0.0.1'; GRANT writers TO writer@'127.0.0.1';
         SET DEFAULT ROLE writers FOR writer@'127.0.0.1'",
    );
    let url = server.url("writer", "writer-password", "test");
    let writer = MySql::connect("people", &url, Rules::default()).await;
    let excess = writer.unwrap().excess().await.unwrap();
    for told in [
        "the user has FILE on *.*",
        "the user has UPDATE on `test`.`person`",
        "the user has INSERT on `test`.*",
    ] {
        assert!(excess.iter().any(|line| line == told), "{excess:?}");
    }
}

async fn the_way_there_is_as_secret_as_was_asked(server: &MariaDbServer) {
    let url = server.url("reader", "reader-password", "test");
    for (mode, secret) in [
        ("", true),
        ("?ssl-mode=REQUIRED", true),
        ("?ssl-mode=DISABLED", false),
    ] {
        let url = format!("{url}{mode}");
        let database = MySql::connect("people", &url, Rules::default()).await;
        let asked = unguarded("SHOW STATUS LIKE 'Ssl_cipher'");
        let (limits, cancel) = (Limits::default(), CancellationToken::new());
        let rows = database.unwrap().query(&asked, &limits, &cancel).await;
        let cipher = rows.unwrap().rows[0][1].clone();
        assert_eq!(cipher != json!(""), secret, "{mode} {cipher}");
    }
    for mode in ["VERIFY_CA", "VERIFY_IDENTITY"] {
        let verified = format!("{url}?ssl-mode={mode}");
        let error = MySql::connect("people", &verified, Rules::default()).await;
        let told = error.err().unwrap().to_string();
        assert!(told.contains("check its certificate"), "{told}");
    }
}
