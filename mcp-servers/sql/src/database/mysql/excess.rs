//! What a user of MySQL may do beyond reading.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

/// Privileges that change nothing and show nothing but tables.
const READING: [&str; 4] = ["USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES"];

pub(super) async fn excess(client: &mut Conn) -> Result<Vec<String>, Error> {
    // There are versions without roles.
    let role: Option<Option<String>> = client
        .query_first("SELECT CURRENT_ROLE()")
        .await
        .unwrap_or_default();
    let mut grants: Vec<String> = client.query("SHOW GRANTS").await?;
    if let Some(role) = role.flatten().filter(|role| role != "NONE") {
        // MySQL tells only on request what the roles of a user may do, MariaDB always.
        let with_roles = format!("SHOW GRANTS FOR CURRENT_USER() USING {role}");
        grants.extend(
            client
                .query::<String, _>(with_roles)
                .await
                .unwrap_or_default(),
        );
    }
    let mut found: Vec<String> = Vec::new();
    for line in grants.iter().flat_map(|grant| beyond(grant)) {
        if !found.contains(&line) {
            found.push(line);
        }
    }
    Ok(found)
}

/// What one grant allows beyond reading the tables of one database. Who it is given to is left out:
/// some versions put the hash of the password there.
fn beyond(grant: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some((privileges, rest)) = grant
        .strip_prefix("GRANT ")
        .and_then(|grant| grant.split_once(" ON "))
    else {
        // A role, whose own grants are told as well.
        return found;
    };
    let (place, whom) = rest.split_once(" TO ").unwrap_or((rest, ""));
    let whole_server = place == "*.*";
    let privileges = listed(privileges);
    let more: Vec<&str> = privileges
        .iter()
        .filter(|privilege| !READING.contains(&name(privilege)))
        .map(|privilege| name(privilege))
        .collect();
    if privileges
        .iter()
        .any(|privilege| name(privilege) == "SELECT")
        && whole_server
    {
        found.push(
            "the user may read every database of the server, that of its users among them"
                .to_owned(),
        );
    }
    if !more.is_empty() {
        found.push(format!("the user has {} on {place}", more.join(", ")));
    }
    if whom.contains("WITH GRANT OPTION") {
        found.push(format!(
            "the user may give to others what it may on {place}"
        ));
    }
    found
}

/// Privileges between commas, of which some have columns in parentheses, with commas in them.
fn listed(privileges: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    privileges
        .split(move |character| {
            match character {
                '(' => depth = depth.saturating_add(1),
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            character == ',' && depth == 0
        })
        .collect()
}

/// A privilege without its columns.
fn name(privilege: &str) -> &str {
    privilege.split('(').next().unwrap_or(privilege).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_that_only_read_are_no_excess() {
        for grant in [
            "GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*8A97'",
            "GRANT SELECT, SHOW VIEW ON `people`.* TO `reader`@`%`",
            "GRANT SELECT (`id`, `name`) ON `people`.`person` TO `reader`@`%`",
            "GRANT `analysts`@`%` TO `reader`@`%`",
        ] {
            assert_eq!(beyond(grant), Vec::<String>::new(), "{grant}");
        }
    }

    #[test]
    fn what_goes_beyond_reading_is_told_without_hashes() {
        for (grant, told) in [
            (
                "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY PASSWORD '*8A97' \
                 WITH GRANT OPTION",
                "the user has ALL PRIVILEGES on *.*\nthe user may give to others what it may on *.*",
            ),
            (
                "GRANT SELECT, FILE, SUPER ON *.* TO `a`@`%`",
                "the user may read every database of the server, that of its users among them\n\
                 the user has FILE, SUPER on *.*",
            ),
            (
                "GRANT SELECT (`a`, `b`), INSERT (`a`, `b`) ON `x`.`t` TO `a`@`%`",
                "the user has INSERT on `x`.`t`",
            ),
            (
                "GRANT SYSTEM_VARIABLES_ADMIN,CONNECTION_ADMIN ON *.* TO `a`@`%`",
                "the user has SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN on *.*",
            ),
        ] {
            assert_eq!(beyond(grant).join("\n"), told);
        }
    }
}
