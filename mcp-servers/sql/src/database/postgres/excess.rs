//! What a user of PostgreSQL may do beyond reading.

use tokio_postgres::{Error, Transaction};

/// Attributes of the user and memberships in roles that reach beyond tables.
const ROLES: &str = "
    SELECT r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
           ARRAY(SELECT p.rolname::text FROM pg_roles p
                 WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files',
                                     'pg_execute_server_program', 'pg_signal_backend',
                                     'pg_write_all_data', 'pg_maintain', 'pg_checkpoint',
                                     'pg_create_subscription', 'pg_use_reserved_connections')
                   AND pg_has_role(p.oid, 'MEMBER') AND NOT r.rolsuper)
    FROM pg_roles r WHERE r.rolname = current_user";

/// Whether it may make schemas in this database, and a schema in which it may make tables.
const MAKING: &str = "
    SELECT has_database_privilege(current_database(), 'CREATE'),
           (SELECT min(n.nspname::text) FROM pg_namespace n
            WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
              AND has_schema_privilege(n.oid, 'CREATE'))";

/// Tables that it may change, or some columns of them.
const TABLES: &str = "
    SELECT count(*), min(c.oid::regclass::text)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema'
      AND n.nspname NOT LIKE 'pg\\_%'
      AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
           OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))";

pub(super) async fn excess(client: &Transaction<'_>) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let row = client.query_one(ROLES, &[]).await?;
    for (place, what) in [
        "is a superuser, whom no grant limits",
        "may create roles",
        "may create databases",
        "may replicate the whole server",
        "sees rows past row-level security",
    ]
    .into_iter()
    .enumerate()
    {
        if row.try_get::<_, bool>(place)? {
            found.push(format!("the user {what}"));
        }
    }
    for role in row.try_get::<_, Vec<String>>(5)? {
        found.push(format!("the user is a member of {role}"));
    }
    let row = client.query_one(MAKING, &[]).await?;
    if row.try_get::<_, bool>(0)? {
        found.push("the user may make schemas in this database".to_owned());
    }
    if let Some(schema) = row.try_get::<_, Option<String>>(1)? {
        found.push(format!("the user may make tables in the schema {schema}"));
    }
    let row = client.query_one(TABLES, &[]).await?;
    let count: i64 = row.try_get(0)?;
    if count > 0 {
        let one: String = row.try_get(1)?;
        found.push(format!(
            "the user may change {count} tables, {one} among them"
        ));
    }
    Ok(found)
}
