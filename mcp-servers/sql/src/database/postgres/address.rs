//! How a server of PostgreSQL is reached: what its address says.

use std::time::Duration;

use tokio_postgres::Config;

use crate::database::asking::{KEEPALIVE, REACH};
use crate::database::postgres::session;

/// Between two questions of the system whether the other side is there, and how many of them.
const AGAIN: Duration = Duration::from_secs(10);
const TIMES: u32 = 3;

/// Reads `postgres://user:password@host/database?option=value`; `None` where it is something else.
pub(super) fn read(url: &str) -> Option<Config> {
    let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !known {
        return None;
    }
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    // A certificate is always verified, whose it is as well: what PostgreSQL's own programs ask for
    // with these words.
    let options = options.split('&').map(|option| match option {
        "sslmode=verify-ca" | "sslmode=verify-full" => "sslmode=require",
        "sslmode=allow" => "sslmode=prefer",
        other => other,
    });
    let options: Vec<&str> = options.filter(|option| !option.is_empty()).collect();
    let mut config: Config = format!("{place}?{}", options.join("&")).parse().ok()?;
    let given = config.get_options().map(|given| format!("{given} "));
    // What comes last holds.
    let options = format!("{}{}", given.unwrap_or_default(), session::options());
    config
        .application_name("ropewalk")
        .options(options)
        .connect_timeout(REACH)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(AGAIN)
        .keepalives_retries(TIMES);
    Some(config)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    #[test]
    fn an_address_says_who_asks_and_how_secretly() {
        for (options, mode) in [
            ("", SslMode::Prefer),
            ("?", SslMode::Prefer),
            ("?sslmode=allow", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=require", SslMode::Require),
            ("?application_name=x&sslmode=verify-full", SslMode::Require),
        ] {
            let config = read(&format!("postgres://ada:p%40ss@host/data{options}")).unwrap();
            assert_eq!(config.get_ssl_mode(), mode, "{options}");
            assert_eq!(config.get_password(), Some(b"p@ss".as_slice()));
            assert_eq!(config.get_application_name(), Some("ropewalk"));
        }
        for wrong in [
            "postgres:host=here",
            "mysql://a@b/c",
            "postgres://a@b/c?x=y",
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn options_of_an_address_are_kept_where_they_do_no_harm() {
        let url = "postgresql://ada@host/data?options=-c%20search_path%3Dshop%20-c%20default_transaction_read_only%3Doff";
        let config = read(url).unwrap();
        let options = config.get_options().unwrap();
        assert!(options.starts_with("-c search_path=shop "), "{options}");
        let last = options.rsplit("default_transaction_read_only=").next();
        assert!(last.unwrap().starts_with("on "), "{options}");
    }
}
